package goalcast

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// AuditEntry is one line of the book of what administrators did. An action has two: one from before
// it was tried, and one of how it ended. Entries are never changed nor removed; each has the hash
// of the one before it, so that a change shows.
type AuditEntry struct {
	ID      int64           `json:"id"`              // 1, 2, 3, ... without a hole
	Begin   int64           `json:"begin,omitempty"` // the entry from before the action; 0 in that itself
	At      time.Time       `json:"at"`              // UTC, in ms; never before that of the entry before
	Who     string          `json:"who"`             // "login:..." of an issuer's user, "token:NAME"; never the token
	Role    string          `json:"role"`
	Action  string          `json:"action"` // "PUT /admin/odds/gates/{id}"
	Target  string          `json:"target"` // "1009316"
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Request string          `json:"request_id"`
	Status  int             `json:"status"` // of the answer; 0: it is not known how the action ended
	Prev    string          `json:"prev"`   // Hash of the entry before; empty in the first
	Hash    string          `json:"hash"`
}

// AuditFilter chooses entries; zero fields choose all.
type AuditFilter struct {
	Who    string
	Action string // some part of it
	Since  time.Time
	Until  time.Time // exclusive
	Before int64     // only those with a lower ID
	Limit  int       // at most so many; 0 is the store's limit
}

// Sum is the hash that an entry must have: SHA-256, in hex, of all its fields in the order of the
// struct, each written as its length in bytes, a colon and its text. At is in ms since 1970 UTC,
// and numbers are decimal.
func (e AuditEntry) Sum() string {
	h := sha256.New()
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, field := range []string{number(e.ID), number(e.Begin), number(e.At.UnixMilli()), e.Who, e.Role, e.Action,
		e.Target, string(e.Before), string(e.After), e.Request, number(int64(e.Status)), e.Prev} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(field), field) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ErrChain says that the book of what administrators did was changed.
var ErrChain = errors.New("the audit was changed")

// AuditChain checks entries one after the other, from the first.
type AuditChain struct {
	ID   int64  // of the last entry that is as it was written
	Hash string // of that
}

// Add checks the next entry: ErrChain if it was changed, or one is missing before it.
func (c *AuditChain) Add(e AuditEntry) error {
	switch {
	case e.ID != c.ID+1:
		return fmt.Errorf("%w: entry %d follows entry %d", ErrChain, e.ID, c.ID)
	case e.Prev != c.Hash:
		return fmt.Errorf("%w: entry %d does not follow from the one before it", ErrChain, e.ID)
	case e.Sum() != e.Hash:
		return fmt.Errorf("%w: entry %d does not have its hash", ErrChain, e.ID)
	}
	c.ID, c.Hash = e.ID, e.Hash
	return nil
}
