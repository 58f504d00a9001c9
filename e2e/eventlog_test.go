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

// One goal is followed through the logs of all processes by the same three keys, and back to its
// document.
func TestAGoalIsFollowedThroughTheLogs(t *testing.T) {
	t.Parallel()
	fcm := httptest.NewServer(&fcmtest.Server{Project: "test"})
	defer fcm.Close()
	env := onServers(t, "GOALCAST_LOG_LEVEL=debug", "GOALCAST_FCM_PROJECT=test",
		"GOALCAST_FCM_ENDPOINT="+fcm.URL+"/v1")
	hub := launch(t, env, "serve", "--roles=hub")
	ingest := launch(t, env, "serve", "--roles=ingest,rest")
	notifier := launch(t, env, "serve", "--roles=notify")
	for _, p := range []*process{hub, ingest, notifier} {
		p.waitReady()
	}
	const match = 9000000001
	a := app{t, ingest.public, "a-phone-of-somebody", rand.Text() + rand.Text()}
	a.put("/v1/me/devices/"+a.token, `{"platform":"android","language":"en"}`)
	a.put(fmt.Sprintf("/v1/me/follows/match:%d", match), "")

	now := time.Now().UTC()
	tell := func(after time.Duration, events string) (document int64) {
		t.Helper()
		at := now.Add(after).Format(time.RFC3339Nano)
		document, err := ingest.postTo("json", nil, fmt.Appendf(nil, `{"time":%q,"match":%d,"fixture":{
			"competition":{"id":8,"name":"Coastal League"},"home":{"id":1,"name":"Noordzand"},
			"away":{"id":2,"name":"Val-Rouge"},"kickoff":%q},"events":[%s]}`, at, match, now.Format(time.RFC3339),
			events))
		if err != nil {
			t.Fatal(err)
		}
		ingest.applied(document)
		return document
	}
	tell(-time.Second, "")
	document := tell(0, `{"id":"g1","kind":"goal","period":"first_half","minute":1,"team":1}`)

	goal := logLine{Match: match, Event: "json:g1", Revision: 1}
	for step, p := range map[string]*process{"event applied": ingest, "event published": ingest,
		"event to viewers": hub, "push planned": notifier, "push sent": notifier} {
		waitFor(t, 60*time.Second, step, func() error {
			found := 0
			for _, l := range p.lines(step) {
				of := l.Document
				if l.Msg, l.Document = "", 0; l != goal {
					continue
				}
				if found++; step == "event applied" && of != document {
					return fmt.Errorf("of document %d, want %d", of, document)
				}
			}
			if found != 1 {
				return fmt.Errorf("%d lines of %+v", found, goal)
			}
			return nil
		})
	}
	kept := ingest.lines("document kept")
	if len(kept) != 2 || kept[1].Document != document || kept[1].Match != match {
		t.Errorf("documents kept: %+v", kept)
	}
}
