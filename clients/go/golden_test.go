package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"goalcast"
	client "goalcast/clients/go"
)

// The files that show every frame, which the tests of all clients read: today's, and those of
// version 1.0, which do not change.
func TestGoldenFrames(t *testing.T) {
	for _, dir := range []string{"../../testdata/wire", "../../testdata/v1.0/wire"} {
		files, err := filepath.Glob(dir + "/*.json")
		if err != nil || len(files) < len(goalcast.ServerFrames) {
			t.Fatalf("%d files in %s, %v", len(files), dir, err)
		}
		seen := map[goalcast.FrameType]bool{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var f goalcast.Frame
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if seen[f.Type] = true; slices.Contains(goalcast.ServerFrames, f.Type) {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
					t.Parallel()
					hearFrame(t, text, f)
				})
			}
		}
		for _, want := range goalcast.ServerFrames {
			if !seen[want] {
				t.Errorf("no file in %s shows a %s", dir, want)
			}
		}
	}
}

// hearFrame sends one frame, behind a hello, and looks at what the client tells of it. It is right
// once it is told, so that each is waited for.
func hearFrame(t *testing.T, text []byte, f goalcast.Frame) {
	h := newHub(t)
	e := listen(t, h, nil)
	v := h.visit(t, 0)
	if f.Type != goalcast.FrameHello {
		v.send(hello)
	}
	v.out <- text
	e.until(t, "what is told of "+string(f.Type), func() bool {
		var last client.Status
		if len(e.statuses) > 0 {
			last = e.statuses[len(e.statuses)-1]
		}
		switch f.Type {
		case goalcast.FrameHello:
			return last.Phase == client.Connected
		case goalcast.FrameSnapshot:
			var ids, want []goalcast.MatchID
			for _, c := range e.changes {
				ids = append(ids, c.Now.ID)
			}
			for _, m := range f.Matches {
				want = append(want, m.ID)
			}
			return slices.Equal(ids, want) && len(e.states) == len(f.States)
		case goalcast.FrameEvent:
			return len(e.events) == 1 && e.events[0] == f.Event.Key() && e.last.Cursor == f.Cursor.String() &&
				(e.last.Now == nil) == (f.Event.Seq == 0) && reflect.DeepEqual(e.last.Event, *f.Event)
		case goalcast.FrameState:
			return slices.ContainsFunc(e.states, func(s goalcast.State) bool {
				return bytes.Equal(s.Value, f.State.Value)
			})
		case goalcast.FrameReset:
			return slices.Equal(e.resets, []goalcast.Reason{f.Reason})
		case goalcast.FrameStale:
			return last.Phase == client.Stale
		case goalcast.FrameError:
			return len(e.problems) == 1 && e.problems[0].Code == f.Code && e.problems[0].Detail == f.Error
		case goalcast.FrameBye:
			return last.Phase == client.Reconnecting && last.Reason == string(f.Reason) &&
				last.Retry.Milliseconds() == f.Retry
		default: // between the client and the hub
			return last.Phase == client.Connected
		}
	})
}

// What goes through the client comes to what the reducer says: no field is lost on the way.
func TestGoldenReducer(t *testing.T) {
	today, err := filepath.Glob("../../testdata/reducer/*.json")
	if err != nil || len(today) == 0 {
		t.Fatal("no files", err)
	}
	then, err := filepath.Glob("../../testdata/v1.0/reducer/*.json")
	if err != nil || len(then) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range slices.Concat(today, then) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var golden struct {
				Events    []goalcast.Event
				Snapshots []goalcast.Snapshot
			}
			if err := json.Unmarshal(text, &golden); err != nil {
				t.Fatal(err)
			}
			h := newHub(t)
			e := listen(t, h, nil)
			v := h.visit(t, 0)
			v.send(hello)
			for _, event := range golden.Events {
				v.send(goalcast.Frame{Type: goalcast.FrameEvent, Event: &event})
			}
			want := golden.Snapshots[len(golden.Snapshots)-1]
			end := goalcast.Event{ID: "end", Revision: 1, Kind: goalcast.KindMessage}
			v.send(goalcast.Frame{Type: goalcast.FrameEvent, Event: &end})
			e.until(t, "the end", func() bool { return len(e.events) > 0 && e.last.ID == end.ID })
			m, _ := e.Match(want.ID)
			got := *m
			got.Seq, got.Updated = want.Seq, want.Updated // a revision that was overtaken is not looked at
			gotText, _ := json.Marshal(got)
			wantText, _ := json.Marshal(want)
			if !bytes.Equal(gotText, wantText) {
				t.Errorf("got  %s\nwant %s", gotText, wantText)
			}
		})
	}
}
