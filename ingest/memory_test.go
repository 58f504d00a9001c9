package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// Memory is a store, bus and queue for tests: it keeps what the real ones keep, as JSON, and fails
// when it is told to. The external tests use it too.
type Memory struct {
	mu        sync.Mutex
	documents map[goalcast.DocumentID]*goalcast.Document
	records   map[goalcast.MatchID][]byte // JSON of a MatchRecord
	Log       []goalcast.Event            // every revision, in the order of their commits
	Published []goalcast.Event
	Tasks     []goalcast.Task
	Updates   int // transactions begun

	KeepErr, UpdateErr, FinishErr, PublishErr error
	// called while a document is being kept, if set
	Keeping func()
	// called before a match is updated, if set
	Updating func(context.Context, goalcast.MatchID) error
	changed  chan struct{}
}

func NewMemory() *Memory {
	return &Memory{documents: map[goalcast.DocumentID]*goalcast.Document{}, records: map[goalcast.MatchID][]byte{},
		changed: make(chan struct{})}
}

// tellLocked wakes Await.
func (m *Memory) tellLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Await waits until the condition, called under the lock, holds.
func (m *Memory) Await(ctx context.Context, condition func(*Memory) bool) error {
	for {
		m.mu.Lock()
		done, changed := condition(m), m.changed
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// StatesNow is States for those who do not hold the lock.
func (m *Memory) StatesNow() (out map[goalcast.DocumentState]int) {
	m.With(func() { out = m.States() })
	return out
}

// States counts documents by state. Only for conditions of Await.
func (m *Memory) States() map[goalcast.DocumentState]int {
	out := map[goalcast.DocumentState]int{}
	for _, d := range m.documents {
		out[d.State]++
	}
	return out
}

// With runs f under the lock.
func (m *Memory) With(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	m.tellLocked()
}

func (m *Memory) KeepDocument(ctx context.Context, d *goalcast.Document) error {
	if m.Keeping != nil {
		m.Keeping()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.KeepErr != nil {
		return m.KeepErr
	}
	kept := *d
	kept.ID, kept.State = goalcast.DocumentID(len(m.documents)+1), goalcast.DocumentReceived
	kept.Body = bytes.Clone(d.Body)
	m.documents[kept.ID] = &kept
	d.ID, d.State = kept.ID, kept.State
	m.tellLocked()
	return nil
}

func (m *Memory) Document(_ context.Context, id goalcast.DocumentID) (goalcast.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := m.documents[id]; ok {
		return *d, nil
	}
	return goalcast.Document{}, fmt.Errorf("document %d: %w", id, goalcast.ErrNotFound)
}

func (m *Memory) FinishDocument(_ context.Context, id goalcast.DocumentID, s goalcast.DocumentState,
	text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.FinishErr != nil {
		return m.FinishErr
	}
	d := m.documents[id]
	d.State, d.Error, d.Attempts = s, text, d.Attempts+1
	m.tellLocked()
	return nil
}

func (m *Memory) Documents(_ context.Context, f goalcast.DocumentFilter) (out []goalcast.Document, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.documents {
		if d.Provider == f.Provider && !d.Received.Before(f.From) {
			out = append(out, *d)
		}
	}
	slices.SortFunc(out, func(a, b goalcast.Document) int { return int(b.ID - a.ID) })
	return out[:min(f.Limit, len(out))], nil
}

func (m *Memory) UnfinishedDocuments(_ context.Context, olderThan time.Time, limit int) ([]goalcast.DocumentID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []goalcast.DocumentID
	for id, d := range m.documents {
		if d.State == goalcast.DocumentReceived && d.Received.Before(olderThan) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], nil
}

func (m *Memory) recordLocked(id goalcast.MatchID) (goalcast.MatchRecord, bool) {
	rec := goalcast.MatchRecord{Snapshot: goalcast.Snapshot{ID: id}}
	text, ok := m.records[id]
	if ok {
		if err := json.Unmarshal(text, &rec); err != nil {
			panic(err)
		}
	}
	return rec, ok
}

func (m *Memory) UpdateMatch(ctx context.Context, id goalcast.MatchID,
	f func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error)) error {
	if m.Updating != nil {
		if err := m.Updating(ctx, id); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Updates++
	if m.UpdateErr != nil {
		return m.UpdateErr
	}
	rec, _ := m.recordLocked(id)
	if _, _, err := f(rec); err != nil { // once for nothing: the real store calls again after a conflict
		return err
	}
	rec, _ = m.recordLocked(id)
	before := rec
	next, events, err := f(rec)
	if err != nil {
		return err
	}
	if len(events) == 0 && bytes.Equal(next.Feeds, before.Feeds) {
		return nil
	}
	if m.records[id], err = json.Marshal(next); err != nil {
		return err
	}
	m.Log = append(m.Log, events...)
	m.tellLocked()
	return nil
}

func (m *Memory) MatchRecords(_ context.Context, ids []goalcast.MatchID) (map[goalcast.MatchID]goalcast.MatchRecord,
	error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[goalcast.MatchID]goalcast.MatchRecord{}
	for _, id := range ids {
		if rec, ok := m.recordLocked(id); ok {
			out[id] = rec
		}
	}
	return out, nil
}

// Record is the match as it is kept.
func (m *Memory) Record(id goalcast.MatchID) goalcast.MatchRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, _ := m.recordLocked(id)
	return rec
}

func (m *Memory) Publish(_ context.Context, events []goalcast.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.PublishErr != nil {
		return m.PublishErr
	}
	m.Published = append(m.Published, events...)
	m.tellLocked()
	return nil
}

func (m *Memory) Enqueue(_ context.Context, t goalcast.Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Tasks = append(m.Tasks, t)
	m.tellLocked()
	return nil
}

// plain is a provider whose documents are readings in JSON. Bodies that begin with "panic" or
// "unread" do as they say.
type plain struct{}

func (plain) Name() string { return "plain" }

func (plain) Sources() []merge.Source {
	return []merge.Source{
		{Name: sourceMatch, WholeSeconds: true, Dates: true, Detailed: true,
			Omits: []goalcast.Kind{goalcast.KindMissedPenalty}},
		{Name: sourceEvents, WholeSeconds: true, Exact: true, Detailed: true},
		{Name: sourceList, WholeSeconds: true, Dates: true, Results: true},
		{Name: sourcePlayer, Plays: true},
	}
}

func (plain) Describe(headers map[string]string, _ []byte) (string, goalcast.MatchID) {
	id, _ := strconv.ParseInt(headers["x-meta-game-id"], 10, 64)
	return headers["x-meta-feed-type"], goalcast.MatchID(id)
}

func (plain) Read(d goalcast.Document) (r merge.Reading, err error) {
	switch {
	case bytes.HasPrefix(d.Body, []byte("panic")):
		panic("over a document")
	case bytes.HasPrefix(d.Body, []byte("unread")):
		return r, merge.ErrUnread
	}
	if err := json.Unmarshal(d.Body, &r); err != nil {
		return r, errors.Join(errors.New("plain document"), err)
	}
	return r, nil
}

// Normal leaves out of a snapshot what depends on the way to it: revisions, sequence numbers, times
// and the scores of the moment.
func Normal(s goalcast.Snapshot) goalcast.Snapshot {
	s.Seq, s.FixtureRevision, s.Updated = 0, 0, 0
	s.Timeline = slices.Clone(s.Timeline)
	for i := range s.Timeline {
		e := &s.Timeline[i]
		e.Revision, e.Seq, e.Score, e.Times = 0, 0, nil, goalcast.Times{}
	}
	s.Lineups = slices.Clone(s.Lineups)
	for i := range s.Lineups {
		s.Lineups[i].Revision = 0
	}
	if len(s.Timeline) == 0 {
		s.Timeline = nil
	}
	return s
}
