package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"goalcast"
)

// Kind is what a note is of.
type Kind string

// The kinds of note.
const (
	Opened   Kind = "open"   // a viewer connects: Base, Since
	Framed   Kind = "frame"  // one frame: ID, Data
	Ended    Kind = "end"    // a connection is over: Error
	Answered Kind = "answer" // REST told of a match: Base, Data is the snapshot
	Failed   Kind = "failed" // REST did not: Base, Error
	Followed Kind = "phone"  // a phone follows matches: Data is a list of their ids
	Pushed   Kind = "push"   // a phone was sent something: Data is a Push
	Truth    Kind = "truth"  // what is true of a match in the end: Data is a Told
	Limited  Kind = "limits" // first of all: Data is the run's Limits
)

// Note is one thing that a recorder noted.
type Note struct {
	At   time.Duration `json:"at"`   // since the run began, by the monotonic clock, ns
	Wall time.Time     `json:"wall"` // UTC
	Who  string        `json:"who"`  // the recorder; one that is not named twice
	Kind Kind          `json:"kind"`

	Base  string          `json:"base,omitempty"`  // URL of the node
	Since string          `json:"since,omitempty"` // the cursor that a viewer came with
	ID    string          `json:"id,omitempty"`    // of an SSE event
	Error string          `json:"error,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // as it came
	Text  string          `json:"text,omitempty"` // in place of Data: what is no JSON
}

// Limits are what a run may take at most. They belong to it, so that its history is judged alike
// whenever it is read.
type Limits struct {
	// PushWithin is how long after the first viewer had seen a revision a phone may be told of it.
	// 0: as late as it likes.
	PushWithin time.Duration `json:"push_within,omitempty"`
	// PushAgain lets a push come again to a phone where it takes the place of the first: for runs
	// that kill who sends, when the push service has taken a push and the answer is lost.
	PushAgain bool `json:"push_again,omitempty"`
}

// Push is what a push service took for a phone.
type Push struct {
	Token    string           `json:"token"`
	Match    goalcast.MatchID `json:"match"`
	Event    string           `json:"event"` // the event's id
	Revision int              `json:"revision"`
	Kind     string           `json:"kind"` // "goal", "goal_cancelled", ...
	Key      string           `json:"key"`  // what is shown replaces what has the same key
	At       time.Time        `json:"at"`   // when the service took it
}

// Told is what is true of a match in the end.
type Told struct {
	Match goalcast.MatchID `json:"match"`
	Score goalcast.Score   `json:"score"`
	Goals []Goal           `json:"goals"`
}

// Goal is a goal as it stands in the end.
type Goal struct {
	Event     string          `json:"event"` // the event's id
	Team      goalcast.TeamID `json:"team"`  // who gains it
	Cancelled bool            `json:"cancelled,omitempty"`
}

// History is what was noted of one run. Its methods do nothing on a nil History.
type History struct {
	began time.Time

	mu    sync.Mutex // guards the rest
	notes []Note
	file  *os.File // may be nil
	err   error    // of writing
}

// New begins a history, which is also written to a file if one is named: a line of JSON for each
// note, as it is noted.
func New(file string, limits Limits) (*History, error) {
	h := &History{began: time.Now()}
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return nil, fmt.Errorf("history: %w", err)
		}
		h.file = f
	}
	h.note(Note{Kind: Limited, Data: encode(limits)})
	return h, nil
}

// Close closes the file, and says whether anything could not be written. More can be noted, in
// memory.
func (h *History) Close() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file != nil {
		h.err = errors.Join(h.err, h.file.Close())
		h.file = nil
	}
	return h.err
}

// note adds a note, with the time.
func (h *History) note(n Note) Note {
	if h == nil {
		n.Wall = time.Now().UTC()
		return n
	}
	if len(n.Data) > 0 && !json.Valid(n.Data) {
		n.Data, n.Text = nil, strings.ToValidUTF8(string(n.Data), "\uFFFD")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	n.At, n.Wall = now.Sub(h.began), now.UTC()
	h.notes = append(h.notes, n)
	if h.file != nil && h.err == nil {
		_, h.err = h.file.Write(append(encode(n), '\n'))
	}
	return n
}

// Push notes what a push service took.
func (h *History) Push(p Push) { h.note(Note{Who: p.Token, Kind: Pushed, Data: encode(p)}) }

// Phone notes that a phone follows matches from now on: each of their goals must reach it.
func (h *History) Phone(token string, matches ...goalcast.MatchID) {
	h.note(Note{Who: token, Kind: Followed, Data: encode(matches)})
}

// Told notes what is true in the end, when everybody was given the time to hear of it. What is
// noted later is not held against it.
func (h *History) Told(truths ...Told) {
	for _, t := range truths {
		h.note(Note{Kind: Truth, Data: encode(t)})
	}
}

// Notes are all so far, in the order in which they were noted.
func (h *History) Notes() []Note {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notes)
}

// Check says what is wrong with the run so far; nothing is what it should be.
func (h *History) Check() []Violation { return Check(h.Notes()) }

// Tally counts notes by what they are of, frames by their type ("frame event"): what there was to
// check.
func Tally(notes []Note) map[string]int {
	counts := map[string]int{}
	for _, n := range notes {
		name := string(n.Kind)
		var f struct{ Type string }
		if n.Kind == Framed && json.Unmarshal(n.Data, &f) == nil {
			name += " " + f.Type
		}
		counts[name]++
	}
	return counts
}

// Read reads the notes of a run from its file. A last line that was not written to its end is left
// out.
func Read(file string) ([]Note, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer f.Close()
	var notes []Note
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return notes, nil
		}
		if err != nil {
			return nil, fmt.Errorf("history %s: %w", file, err)
		}
		var n Note
		if err := json.Unmarshal(line, &n); err != nil {
			return nil, fmt.Errorf("history %s, line %d: %w", file, len(notes)+1, err)
		}
		notes = append(notes, n)
	}
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("history: " + err.Error()) // its own types, and JSON that was looked at
	}
	return text
}
