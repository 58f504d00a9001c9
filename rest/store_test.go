package rest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
	"goalcast/rest"
	"goalcast/store"
	"goalcast/store/bus"
)

// listener is the board, and hears what it hears.
type listener struct {
	*board.Board
	bus   *bus.Bus
	heard chan goalcast.Published
}

func (l *listener) Event(p goalcast.Published) {
	l.Board.Event(p)
	l.heard <- p
}

// next is the next event on the bus.
func (l *listener) next(t *testing.T) goalcast.Published {
	t.Helper()
	select {
	case p := <-l.heard:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("nothing on the bus")
		return goalcast.Published{}
	}
}

// realParts are the database, the bus and the relay, as they run.
func realParts(t *testing.T) (*store.Store, *listener, *store.Relay) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	reg := prometheus.NewRegistry()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "rest.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	redis, err := bus.OpenRedis("embedded")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	b := bus.New(redis, bus.Options{}, log, reg)
	l := &listener{Board: board.New(db, log, reg), bus: b, heard: make(chan goalcast.Published, 100)}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.Listen(ctx, l) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return db, l, store.NewRelay(db, b, log, reg)
}

// commit writes events of a match as ingest does, and publishes them.
func commit(t *testing.T, db *store.Store, relay *store.Relay, id goalcast.MatchID, events ...goalcast.Event) {
	t.Helper()
	var done []goalcast.Event
	err := db.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		done = nil
		for _, e := range events {
			e.Match, e.Seq = id, r.Snapshot.Seq+1
			after := goalcast.Apply(r.Snapshot, e)
			e.Score, e.Topics = &after.Score, after.Topics(id)
			r.Snapshot = goalcast.Apply(r.Snapshot, e)
			done = append(done, e)
		}
		return r, done, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Publish(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}

// The whole way on a real database and bus: a match, its goal and the cursor to listen from; a
// message; a user; a document.
func TestOnRealStore(t *testing.T) {
	db, l, relay := realParts(t)
	h := open(t, func(_ *rest.Config, d *rest.Deps) {
		d.Board, d.Store, d.Poster, d.Replayer, d.Gates = l, db, relay, replayer{db}, l.bus
	})
	full := fullMatch()
	commit(t, db, relay, 1009316, goalcast.Event{ID: "fixture", Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindFixture, Fixture: &full.Fixture})
	kick := l.next(t)
	start := goalcast.Event{ID: "start", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindPeriod,
		Period: goalcast.FirstHalf, At: kickoff}
	commit(t, db, relay, 1009316, start)
	start2 := l.next(t)
	if kick.Cursor.Offset+1 != start2.Cursor.Offset {
		t.Fatalf("cursors %v, %v", kick.Cursor, start2.Cursor)
	}

	t.Run("deltas", func(t *testing.T) {
		published := regexp.MustCompile(`,?"published":\d+`)
		for _, p := range []goalcast.Published{kick, start2} {
			frame := published.ReplaceAllString(string(goalcast.EventFrame(p, 7)), "")
			frame = strings.Replace(frame, fmt.Sprintf(`,"cursor":"%s"`, p.Cursor), "", 1)
			frame = strings.Replace(frame, `,"sent":7}`, "}", 1)
			if a := h.get(t, fmt.Sprintf("/v1/matches/1009316/deltas/%d", p.Event.Seq)); string(a.body) != frame {
				t.Errorf("%s\nis not the frame\n%s", a.body, frame)
			}
		}
	})

	t.Run("match", func(t *testing.T) {
		a := h.get(t, "/v1/matches/1009316")
		m := decode[matchAnswer](t, a.body)
		if m.Score != (goalcast.Score{}) || m.State != goalcast.Live || m.Minute != 21 || m.Cursor != start2.Cursor ||
			m.Home != full.Home {
			t.Errorf("%s", a.body)
		}
		goal, _ := full.Event("opta:1")
		commit(t, db, relay, 1009316, goal)
		p := l.next(t)
		b := h.get(t, "/v1/matches/1009316", "If-None-Match: "+a.header.Get("ETag"))
		if m := decode[matchAnswer](t, b.body); b.status != http.StatusOK || m.Score.Home != 1 || m.Cursor != p.Cursor {
			t.Errorf("%d %s", b.status, b.body)
		}
		if c := h.get(t, "/v1/matches/1009316", "If-None-Match: "+
			b.header.Get("ETag")); c.status != http.StatusNotModified {
			t.Errorf("%d %s", c.status, c.body)
		}
		for _, path := range []string{"/v1/matches?date=2026-05-17&team=175&competition=23", "/v1/teams/174",
			"/v1/competitions/23"} {
			if list := decode[listAnswer](t, h.get(t, path).body); !equalIDs(list.ids(), []goalcast.MatchID{1009316}) {
				t.Errorf("%s: %+v", path, list)
			}
		}
		if list := decode[listAnswer](t, h.get(t, "/v1/teams/174").body); list.Name != "Port Amber" {
			t.Errorf("%+v", list)
		}
		for _, path := range []string{"/v1/matches/1", "/v1/teams/9", "/v1/competitions/9"} {
			h.get(t, path).problem(t, http.StatusNotFound, "not_found")
		}
	})

	t.Run("message", func(t *testing.T) {
		const body = `{"topic":"team:174","body":{"text":"Rain \u2028 <b>"},"id":"quiz-1"}`
		for range 2 { // the second time it is known, and goes nowhere
			if a := h.ask(t, http.MethodPost, "/admin/messages", body,
				as(editorToken)); a.status != http.StatusAccepted {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		h.ask(t, http.MethodPost, "/admin/messages", `{"topic":"team:174","body":2,"id":"quiz-2"}`, as(editorToken))
		first, second := l.next(t), l.next(t)
		if first.Event.ID != "message:quiz-1" || second.Event.ID != "message:quiz-2" {
			t.Errorf("%s, %s", first.Event.ID, second.Event.ID)
		}
		text := decode[struct{ Text string }](t, first.Event.Message).Text
		if text != "Rain \u2028 <b>" || first.Event.Topics[0] != goalcast.ForTeam(174) ||
			first.Event.Times.Published == 0 {
			t.Errorf("%s", first.Raw)
		}
	})

	t.Run("me", func(t *testing.T) {
		device := func(i int) string { return fmt.Sprintf("/v1/me/devices/token-of-a-phone-%04d", i) }
		const body = `{"platform":"web","language":"fr"}`
		for i := range store.MaxDevices {
			if a := h.ask(t, http.MethodPut, device(i), body, as(anna)); a.status != http.StatusNoContent {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		h.ask(t, http.MethodPut, device(99), body, as(anna)).problem(t, http.StatusConflict, "too_many")
		if a := h.ask(t, http.MethodPut, device(3), body, as(anna)); a.status != http.StatusNoContent { // one of those
			t.Errorf("%d %s", a.status, a.body)
		}
		h.clock.add(time.Minute) // of the user's rate
		h.ask(t, http.MethodPut, device(3), body, as(bram))
		h.ask(t, http.MethodDelete, device(4), "", as(bram)) // not his
		list := decode[struct{ Devices []struct{ Created time.Time } }](t, h.get(t, "/v1/me/devices", as(anna)).body)
		if len(list.Devices) != store.MaxDevices-1 || time.Since(list.Devices[0].Created) > time.Minute {
			t.Errorf("%d devices, %+v", len(list.Devices), list.Devices)
		}
		for _, topic := range []string{"team:174", "match:1009316", "team:174"} {
			h.ask(t, http.MethodPut, "/v1/me/follows/"+topic, "", as(anna))
		}
		h.ask(t, http.MethodDelete, "/v1/me/follows/match:1009316", "", as(anna))
		if a := h.get(t, "/v1/me/follows", as(anna)); string(a.body) != `{"topics":["team:174"]}` {
			t.Errorf("%s", a.body)
		}
	})

	t.Run("odds", func(t *testing.T) {
		step := goalcast.OddsStep{Topic: goalcast.ForOdds(1009316), Fence: 1,
			Set: &goalcast.Gate{State: goalcast.GateOpen}}
		gate := func(want string) {
			t.Helper()
			g, _, err := l.bus.Odds(t.Context(), 1009316, time.Now())
			if got := strings.TrimSpace(fmt.Sprint(g.State, " ", g.Reason)); err != nil || got != want {
				t.Errorf("gate %q, %v; want %q", got, err, want)
			}
		}
		publish := func() {
			t.Helper()
			done, err := l.bus.PublishOdds(t.Context(), time.Now(), []goalcast.OddsStep{step})
			if err != nil {
				t.Fatal(err)
			}
			if step.Gate = done[0].Gate; done[0].Outcome != goalcast.OddsPublished { // as a holder learns it
				_, err = l.bus.PublishOdds(t.Context(), time.Now(), []goalcast.OddsStep{step})
			}
			if gate("open"); err != nil {
				t.Fatal(err)
			}
		}
		put := func(path, body string) string {
			t.Helper()
			a := h.ask(t, http.MethodPut, "/admin/odds/"+path, body, as(operatorToken))
			if a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
			return string(a.body)
		}
		publish()
		put("gates/1009316", `{"shut":true}`)
		gate("suspended operator")
		put("gates/1009316", `{"shut":false}`)
		gate("suspended operator") // nobody holds the sources
		publish()
		m := goalcast.OddsMapping{Source: "exchange", Event: "1.23", Match: 1009316, Decision: goalcast.MappingFound,
			Kickoff: kickoff, Described: kickoff, Home: "Port Amber", Away: "Saltmarsh"}
		if _, err := db.SaveMappings(t.Context(), []goalcast.OddsMapping{m}); err != nil {
			t.Fatal(err)
		}
		if text := put("mappings", `{"source":"exchange","event":"1.23","match":null}`); !strings.Contains(text,
			`"before":{"source":"exchange","event":"1.23","match":1009316,"decision":"found"`) {
			t.Errorf("%s", text)
		}
		gate("suspended unmapped")
		for body, status := range map[string]int{`{"source":"exchange","event":"9","match":1009316}`: 404,
			`{"source":"exchange","event":"1.23","match":9}`: 422} {
			if a := h.ask(t, http.MethodPut, "/admin/odds/mappings", body, as(operatorToken)); a.status != status {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
	})

	t.Run("documents", func(t *testing.T) {
		d := document(0)
		if err := db.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		if err := db.FinishDocument(t.Context(), d.ID, goalcast.DocumentFailed, "unexpected end"); err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/admin/documents/%d", d.ID)
		for query, want := range map[string]int{"state=failed&feed=F9&match=1009316": 1, "state=applied": 0,
			"from=2026-05-17T18:44:01Z": 1, "to=2026-05-17T18:44:01Z": 0,
			fmt.Sprintf("before=%d", d.ID): 0} {
			list := decode[struct{ Documents []any }](t, h.get(t, "/admin/documents?"+query, as(operatorToken)).body)
			if len(list.Documents) != want {
				t.Errorf("%s: %v", query, list)
			}
		}
		if a := h.get(t, path+"/body", as(operatorToken)); string(a.body) != "<Opta/>\xff" {
			t.Errorf("%q", a.body)
		}
		a := h.ask(t, http.MethodPost, path+"/replay", "", as(operatorToken))
		if a.status != http.StatusOK || !strings.Contains(string(a.body), `"state":"applied"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// replayer finishes documents.
type replayer struct{ *store.Store }

func (r replayer) Process(ctx context.Context, id goalcast.DocumentID) error {
	return r.FinishDocument(ctx, id, goalcast.DocumentApplied, "")
}
