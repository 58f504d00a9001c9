// Package goalcast holds the words of a live football hub: matches, teams, events, topics,
// cursors and snapshots, the one reducer that derives a snapshot from events, and the
// frames that viewers get.
//
// It does no I/O and imports nothing of ours; every other package imports it. Siblings never import
// each other: what one needs of another it says in an interface of its own, in terms of the types
// here, and cmd/goalcast joins them.
package goalcast

import "errors"

// Ids are Opta's bare numbers: 1009316 is the match that F7 calls f1009316 and F1 calls g1009316.
type (
	MatchID       int64
	TeamID        int64
	CompetitionID int64
	PlayerID      int64
)

// Errors that callers can ask for with errors.Is.
var (
	// ErrBadTopic is what ParseTopic returns for text that is no topic.
	ErrBadTopic = errors.New("bad topic")
	// ErrBadCursor is what ParseCursor returns for text that is no cursor.
	ErrBadCursor = errors.New("bad cursor")
	// ErrNotFound says that the store has no such match, team, competition, document or device.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that a server goalcast depends on (PostgreSQL, Redis, a push
	// service) does not answer now.
	ErrUnavailable = errors.New("unavailable")
	// ErrTooMany says that somebody has as many of something as he may have.
	ErrTooMany = errors.New("too many")
	// ErrUnauthorized says that a token speaks for nobody, or that there is none.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrPermanent marks an error that trying again cannot mend; a queue gives up on it at once.
	ErrPermanent = errors.New("permanent")
)

// Competition is a league or cup.
type Competition struct {
	ID   CompetitionID `json:"id"`
	Name string        `json:"name,omitempty"`
}

// Team is one side of a match.
type Team struct {
	ID   TeamID `json:"id"`
	Name string `json:"name,omitempty"`
}

// Player is a person who plays. Name is what a fan calls him: the "known" name where there is one,
// else first and last. It is empty while no feed has told it.
type Player struct {
	ID   PlayerID `json:"id"`
	Name string   `json:"name,omitempty"`
}
