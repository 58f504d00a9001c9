package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"goalcast"
)

// How long a viewer stays away after a connection has ended: twice as long each time, while no
// frame comes.
const (
	returnsAfter = 20 * time.Millisecond
	returnsLast  = 160 * time.Millisecond
)

// Viewer follows topics over one transport, notes what it gets, and comes back with its cursor
// after every cut. It knows at any time what a viewer knows.
type Viewer struct {
	// Set before the first Join:
	Transport Transport
	Topics    string                                  // and what else the query is to have
	Also      func(frame goalcast.Frame, text []byte) // is told of each frame before it counts; may be nil
	Priced    func(goalcast.State)                    // is told of each price that may be shown; may be nil

	name    string
	history *History // may be nil

	mu      sync.Mutex // guards the rest
	base    string     // of the node it connects to next
	judge   *judge     // of those invariants that a viewer can tell alone
	account *account
	wrong   error // what Wrong was told

	cancel context.CancelFunc
	ended  chan struct{}
}

// alone are the invariants that are looked at while a viewer watches.
var alone = []string{"readable", "once", "order", "no_gap"}

// NewViewer makes a viewer whose notes go into a history, under a name that no other recorder has.
// The history may be nil. It starts nothing.
func NewViewer(h *History, name, base string, over Transport, topics ...goalcast.Topic) *Viewer {
	names := make([]string, len(topics))
	for i, topic := range topics {
		names[i] = topic.String()
	}
	j := newJudge(h == nil, slices.DeleteFunc(slices.Clone(Invariants), func(i Invariant) bool {
		return !slices.Contains(alone, i.Name)
	}))
	return &Viewer{Transport: over, Topics: strings.Join(names, ","), name: name, history: h, base: base, judge: j,
		account: j.account(name)}
}

// Name is the recorder's, in notes and violations.
func (v *Viewer) Name() string { return v.name }

// Join connects and stays connected, whatever happens to the server, until Cut. It waits for
// nothing.
func (v *Viewer) Join() {
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel, v.ended = cancel, make(chan struct{})
	go func() {
		defer close(v.ended)
		for pause := returnsAfter; ctx.Err() == nil; pause = min(2*pause, returnsLast) {
			v.mu.Lock()
			base, since := v.base, v.account.cursor
			v.mu.Unlock()
			v.take(Note{Kind: Opened, Base: base, Since: since})
			err := v.Transport(ctx, base, v.Topics, since, func(id string, text []byte) {
				pause = returnsAfter
				v.frame(id, text)
			}) // however it ended: come back
			ended := Note{Kind: Ended, Base: base}
			if err != nil {
				ended.Error = err.Error()
			}
			v.take(ended)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
}

// Cut ends the connection; the cursor stays. Whoever calls it is the goroutine that calls Join.
func (v *Viewer) Cut() {
	if v.cancel != nil {
		v.cancel()
		<-v.ended
		v.cancel = nil
	}
}

// Move has the viewer connect to another node the next time.
func (v *Viewer) Move(base string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.base = base
}

func (v *Viewer) frame(id string, text []byte) {
	if v.Also != nil {
		var f goalcast.Frame
		if json.Unmarshal(text, &f) == nil {
			v.Also(f, text)
		}
	}
	v.take(Note{Kind: Framed, ID: id, Data: slices.Clone(text)})
}

func (v *Viewer) take(n Note) {
	n.Who = v.name
	v.mu.Lock()
	defer v.mu.Unlock()
	v.account.priced = v.Priced
	v.judge.take(v.history.note(n))
}

// Wrong notes what the viewer must never see, for Problem to tell.
func (v *Viewer) Wrong(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrong = errors.Join(v.wrong, err)
}

// Problem says what the viewer has seen that no viewer must see; nil if nothing.
func (v *Viewer) Problem() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.problemLocked()
}

func (v *Viewer) problemLocked() error {
	err := v.wrong
	for _, found := range v.judge.found {
		err = errors.Join(err, errors.New(found.String()))
	}
	for _, gap := range gaps(v.account, nil) {
		err = errors.Join(err, errors.New(gap.String()))
	}
	return err
}

// State gives copies of what the viewer holds: all events since the last reset, and a match. The
// error is Problem's.
func (v *Viewer) State(match goalcast.MatchID) ([]goalcast.Event, goalcast.Snapshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.account.events), v.account.matches[match], v.problemLocked()
}

// Shown are the prices of a match that may be shown now, by key; nil while none may be.
func (v *Viewer) Shown(match goalcast.MatchID) map[string]goalcast.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.account.shown(match)
}

// Gate is the gate of a match's prices, as the hub told it last on this connection; zero if it did
// not.
func (v *Viewer) Gate(match goalcast.MatchID) goalcast.Gate {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.account.prices[match]; p != nil {
		return p.gate
	}
	return goalcast.Gate{}
}

// Hellos counts those that came: each is a connection, or of polls one that began without a cursor.
func (v *Viewer) Hellos() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.account.hellos
}

// Resets counts those that came.
func (v *Viewer) Resets() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.account.resets
}

// maxAnswer is the longest answer that is read.
const maxAnswer = 8 << 20

// Ask notes what REST tells of matches: it asks a node for each of them once. An answer other than
// 200 is noted and nothing more.
func (h *History) Ask(ctx context.Context, who, base string, matches ...goalcast.MatchID) {
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for _, id := range matches {
		n := Note{Who: who, Kind: Answered, Base: base}
		text, err := get(ctx, &client, fmt.Sprintf("%s/v1/matches/%d", base, id))
		if n.Data = text; err != nil {
			n = Note{Who: who, Kind: Failed, Base: base, Error: err.Error()}
		}
		h.note(n)
	}
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", answer.Status, text)
	}
	return text, err
}
