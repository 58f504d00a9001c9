package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/fcm/fcmtest"
)

// logLine is a line about an event.
type logLine struct {
	Msg      string
	Document int64
	Match    goalcast.MatchID
	Event    string
	Revision int
}

// lines are what the process has logged of these messages.
func (p *process) lines(messages ...string) (list []logLine) {
	for text := range strings.Lines(p.log.String()) {
		var l logLine
		for _, m := range messages {
			if strings.Contains(text, `"msg":"`+m+`"`) && json.Unmarshal([]byte(text), &l) == nil {
				list = append(list, l)
			}
		}
	}
	return list
}

// toldGoal is a goal that was told to viewers and phones by three processes.
type toldGoal struct {
	hub, ingest, notifier *process
	document              int64
	event                 logLine // its match, event and revision
	frames                *frames // what a viewer of the match got
}

// tellGoal posts a match, and then its goal, to processes with such settings.
func tellGoal(t *testing.T, more ...string) (g toldGoal) {
	t.Helper()
	fcm := httptest.NewServer(&fcmtest.Server{Project: "test"})
	t.Cleanup(fcm.Close)
	env := onServers(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+fcm.URL+"/v1").with(more...)
	g.hub = launch(t, env, "serve", "--roles=hub")
	g.ingest = launch(t, env, "serve", "--roles=ingest,rest")
	g.notifier = launch(t, env, "serve", "--roles=notify")
	for _, p := range []*process{g.hub, g.ingest, g.notifier} {
		p.waitReady()
	}
	const match = 9000000001
	g.event = logLine{Match: match, Event: "json:g1", Revision: 1}
	a := app{t, g.ingest.public, "a-phone-of-somebody", rand.Text() + rand.Text()}
	a.put("/v1/me/devices/"+a.token, `{"platform":"android","language":"en"}`)
	a.put(fmt.Sprintf("/v1/me/follows/match:%d", match), "")

	now := time.Now().UTC()
	tell := func(after time.Duration, events string) (document int64) {
		t.Helper()
		at := now.Add(after).Format(time.RFC3339Nano)
		document, err := g.ingest.postTo("json", nil, fmt.Appendf(nil, `{"time":%q,"match":%d,"fixture":{
			"competition":{"id":8,"name":"Coastal League"},"home":{"id":1,"name":"Noordzand"},
			"away":{"id":2,"name":"Val-Rouge"},"kickoff":%q},"events":[%s]}`, at, match, now.Format(time.RFC3339),
			events))
		if err != nil {
			t.Fatal(err)
		}
		g.ingest.applied(document)
		return document
	}
	tell(-time.Second, "")
	g.frames = watchTopic(t, g.hub, goalcast.ForMatch(match))
	g.document = tell(0, `{"id":"g1","kind":"goal","period":"first_half","minute":1,"team":1}`)
	g.frames.await(`"id":"json:g1"`)
	return g
}

// One goal is followed through the logs of all processes by the same three keys, and back to its
// document.
func TestAGoalIsFollowedThroughTheLogs(t *testing.T) {
	t.Parallel()
	g := tellGoal(t, "GOALCAST_LOG_LEVEL=debug")
	for step, p := range map[string]*process{"event applied": g.ingest, "event published": g.ingest,
		"event to viewers": g.hub, "push planned": g.notifier, "push sent": g.notifier} {
		waitFor(t, 60*time.Second, step, func() error {
			found := 0
			for _, l := range p.lines(step) {
				of := l.Document
				if l.Msg, l.Document = "", 0; l != g.event {
					continue
				}
				if found++; step == "event applied" && of != g.document {
					return fmt.Errorf("of document %d, want %d", of, g.document)
				}
			}
			if found != 1 {
				return fmt.Errorf("%d lines of %+v", found, g.event)
			}
			return nil
		})
	}
	kept := g.ingest.lines("document kept")
	if len(kept) != 2 || kept[1].Document != g.document || kept[1].Match != g.event.Match {
		t.Errorf("documents kept: %+v", kept)
	}
}
