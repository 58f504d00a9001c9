package goalcast

import (
	"slices"
	"time"
)

// Person is who a request speaks for, and what it may. The zero value is somebody of whom nothing
// is known: who may see what everybody may see.
type Person struct {
	User UserID
	// Login says that an issuer vouches for the user. Otherwise it is anonymous: whoever has its
	// token.
	Login   bool
	Role    Role
	Rights  Rights
	Expires time.Time // when this is no longer known to be so; zero: never
}

// Role is what a person may do. A higher one may all that a lower one may.
type Role uint8

// The roles.
const (
	NoRole   Role = iota
	Viewer        // what is a user's own: /v1/me
	Editor        // messages
	Operator      // documents, replays, alarms, queues, prices
	Admin         // the audit
)

var roleNames = []string{"none", "viewer", "editor", "operator", "admin"}

// Roles lists the roles that can be given, the lowest first.
var Roles = []Role{Viewer, Editor, Operator, Admin}

// ParseRole reads a role's name; false if there is none of it.
func ParseRole(name string) (Role, bool) {
	i := slices.Index(roleNames, name)
	return Role(max(i, 0)), i > 0
}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return roleNames[NoRole]
}

// Rights are what a person may see that not everybody may: a set of bits. They mean something
// within one process only.
type Rights uint32

// RightOdds is the right to see prices, where they are not public.
const RightOdds Rights = 1

// Have says whether all that is needed is there.
func (r Rights) Have(need Rights) bool { return need&^r == 0 }
