package goalcast

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
)

// Phone is a device as its app names it on a live connection. Only who is logged in as its user can
// say anything for it.
type Phone struct {
	User   UserID
	Device string // DeviceName of its token
}

// Seen says that a phone has shown a revision of an event.
type Seen struct {
	Event string // Event.KeyOfAll
	Phone Phone
}

// DeviceName is what an app names its device by where the token itself would be told to too many:
// the SHA-256 of the token, in base64url without padding.
func DeviceName(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var deviceName = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// IsDeviceName says whether a text can be a DeviceName.
func IsDeviceName(text string) bool { return deviceName.MatchString(text) }

// Phone is the device as its app names it.
func (d Device) Phone() Phone { return Phone{d.User, DeviceName(d.Token)} }
