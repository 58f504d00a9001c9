package goalcast

import (
	"fmt"
	"strconv"
	"strings"
)

// Cursor is a place in the stream of events: "everything up to here I have seen". Viewers get it
// with each event and hand it back, unread, when they return. The epoch is random and made with the
// stream: another one means that the bus lost its memory and offsets cannot be compared. The zero
// Cursor is "from nowhere".
type Cursor struct {
	Epoch  string // 1 to 16 characters of a-z and 0-9
	Offset uint64 // counts the events of the epoch from 1; 0 is before the first
}

// ParseCursor reads "k3x9-1234". Empty text is the zero cursor; other text yields ErrBadCursor.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	epoch, offset, _ := strings.Cut(text, "-")
	n, err := strconv.ParseUint(offset, 10, 64)
	if err != nil || len(epoch) == 0 || len(epoch) > 16 ||
		strings.Trim(epoch, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return Cursor{}, fmt.Errorf("%w %.60q", ErrBadCursor, text)
	}
	return Cursor{Epoch: epoch, Offset: n}, nil
}

// IsZero says whether the cursor points nowhere.
func (c Cursor) IsZero() bool { return c == Cursor{} }

func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return c.Epoch + "-" + strconv.FormatUint(c.Offset, 10)
}

// MarshalText makes a cursor a string in JSON.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCursor for JSON.
func (c *Cursor) UnmarshalText(text []byte) error {
	got, err := ParseCursor(string(text))
	if err != nil {
		return err
	}
	*c = got
	return nil
}
