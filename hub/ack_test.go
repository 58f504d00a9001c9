package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/hub"
)

// noted keeps what a hub hands on of what phones have shown.
type noted struct {
	mu   sync.Mutex
	list []goalcast.Seen
	down error
}

func (s *noted) keep(_ context.Context, list []goalcast.Seen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.list = append(s.list, list...)
	}
	return s.down
}

func (s *noted) all() []goalcast.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]goalcast.Seen(nil), s.list...)
}

// A viewer who is logged in on a phone says what it has shown, and that reaches who wants to know.
func TestAPhoneSaysWhatItHasShown(t *testing.T) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprint("portable ", portable), func(t *testing.T) {
			w, kept, device := newWorld(), &noted{}, goalcast.DeviceName("token")
			n := start(t, w, hub.Config{Identity: people{&sync.Map{}}, Seen: kept.keep, Portable: portable}, false)
			w.fixture(1)
			v, _ := watch(t, n, "topics=match:1&ack="+device, "Authorization: Bearer fan")
			if f := v.hears(goalcast.FrameHello); !f.Ack {
				t.Fatalf("%+v", f)
			}
			ack := func(cursors ...*goalcast.Cursor) {
				var texts []string
				for _, c := range cursors {
					texts = append(texts, `"`+c.String()+`"`)
				}
				v.say(`{"type":"ack","id":"k","cursors":[` + strings.Join(texts, ",") + `]}`)
			}
			w.goal(1, 1)
			first := v.hears(goalcast.FrameEvent)
			w.goal(1, 2)
			second := v.hears(goalcast.FrameEvent)
			ack(first.Cursor, second.Cursor)
			// what nobody was told has no effect: another epoch, a place that is still to come
			ack(&goalcast.Cursor{Epoch: "zz", Offset: 1}, &goalcast.Cursor{Epoch: "e1", Offset: 99})
			v.say(`{"type":"auth","token":"punter"}`)
			v.hears(goalcast.FrameRenewed)
			ack(first.Cursor)
			wait(t, "it to be handed on", func() bool { return len(kept.all()) == 3 })
			fan, punter := goalcast.Phone{User: "fan", Device: device}, goalcast.Phone{User: "punter", Device: device}
			for i, want := range []goalcast.Seen{{Event: "1/goal:1:1#1", Phone: fan},
				{Event: "1/goal:1:2#1", Phone: fan}, {Event: "1/goal:1:1#1", Phone: punter}} {
				if got := kept.all()[i]; got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
			kept.mu.Lock()
			kept.down = errors.New("away")
			kept.mu.Unlock()
			ack(second.Cursor)
			for outcome, want := range map[string]float64{"kept": 3, "unknown": 2, "failed": 1} {
				wait(t, outcome, func() bool { return n.metric(t, "goalcast_hub_acks_total", outcome) == want })
			}
			for _, bad := range []string{`{"type":"ack","id":"k"}`, `{"type":"ack","id":"k","cursors":["?"]}`,
				`{"type":"ack","id":"k","cursors":["e1-1"` + strings.Repeat(`,"e1-1"`, goalcast.MaxAcks) + `]}`} {
				v.say(bad)
				if f := v.hears(goalcast.FrameError); f.Code != goalcast.CodeBadFrame || f.ID != "k" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Of more than a viewer may say that it has shown, the rest is let pass: its pushes come.
func TestAPhoneCannotSayMoreThanItCanShow(t *testing.T) {
	w, kept := newWorld(), &noted{}
	n := start(t, w, hub.Config{Identity: people{&sync.Map{}}, Seen: kept.keep}, false)
	w.fixture(1)
	v, _ := watch(t, n, "topics=match:1&ack="+goalcast.DeviceName("token"), "Authorization: Bearer fan")
	v.hears(goalcast.FrameSnapshot)
	w.goal(1, 1)
	c := v.hears(goalcast.FrameEvent).Cursor.String()
	most := `{"type":"ack","cursors":["` + c + `"` + strings.Repeat(`,"`+c+`"`, goalcast.MaxAcks-1) + `]}`
	for range 30 { // less than a client may send at once
		v.say(most)
	}
	wait(t, "some to be too many", func() bool {
		return n.metric(t, "goalcast_hub_acks_total", "rate")+float64(len(kept.all())) == 30*goalcast.MaxAcks
	})
	if n.metric(t, "goalcast_hub_acks_total", "rate") == 0 {
		t.Error("it may say what it likes")
	}
}

// Nobody is asked where nobody wants to know, or it is not known who it is.
func TestNobodyIsAskedWhatItShows(t *testing.T) {
	kept, device := &noted{}, goalcast.DeviceName("token")
	wanted := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, Seen: kept.keep}, false)
	off := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}}, false)
	for _, c := range []struct {
		node  *node
		query string
		token string
	}{
		{off, "topics=match:1&ack=" + device, "fan"},
		{wanted, "topics=match:1&ack=" + device, ""},
		{wanted, "topics=match:1", "fan"},
	} {
		var headers []string
		if c.token != "" {
			headers = append(headers, "Authorization: Bearer "+c.token)
		}
		v, _ := watch(t, c.node, c.query, headers...)
		if f := v.hears(goalcast.FrameHello); f.Ack {
			t.Errorf("%+v", f)
		}
		v.say(`{"type":"ack","id":"k","cursors":["e1-1"]}`)
		if f := v.hears(goalcast.FrameError); f.Code != goalcast.CodeBadFrame || f.ID != "k" {
			t.Errorf("%+v", f)
		}
	}
	if _, status := watch(t, wanted, "topics=match:1&ack=token", "Authorization: Bearer fan"); status != 400 {
		t.Errorf("a device's token instead of its name: %d", status)
	}
	if got := kept.all(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}
