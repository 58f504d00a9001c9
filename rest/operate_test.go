package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

func TestAlarms(t *testing.T) {
	h := open(t)
	if a := h.get(t, "/admin/alarms", as(operatorToken)); string(a.body) != `{"alarms":[]}` ||
		h.alarmsFor != (goalcast.AlarmFilter{Open: true, Limit: 100}) {
		t.Errorf("%s, %+v", a.body, h.alarmsFor)
	}
	h.with(func() {
		h.alarms = []goalcast.Alarm{{ID: 4, Name: "feed_silent:7", Kind: goalcast.AlarmSilent, Match: 7,
			Text: "no document", Opened: kickoff},
			{ID: 3, Name: "queue_lag:urgent", Kind: goalcast.AlarmQueueLag, Text: "lag", Opened: kickoff,
				Closed: kickoff.Add(time.Minute)}}
	})
	all := string(h.get(t, "/admin/alarms?state=all&kind=feed_silent&match=7&limit=5", as(operatorToken)).body)
	if !strings.Contains(all, `"match":7`) || !strings.Contains(all, `"closed":"`) ||
		h.alarmsFor != (goalcast.AlarmFilter{Kind: goalcast.AlarmSilent, Match: 7, Limit: 5}) {
		t.Errorf("%s, %+v", all, h.alarmsFor)
	}
	acked := h.ask(t, http.MethodPost, "/admin/alarms/4/ack", "", as(operatorToken))
	if got := decode[goalcast.Alarm](t, acked.body); acked.status != http.StatusOK || got.ID != 4 ||
		got.AckedBy != "operator" {
		t.Errorf("%d %s", acked.status, acked.body)
	}
	if !strings.Contains(h.log.String(), "action=ack") {
		t.Error("no audit")
	}
	h.ask(t, http.MethodPost, "/admin/alarms/9/ack", "", as(operatorToken)).problem(t, http.StatusNotFound, "not_found")
	h.ask(t, http.MethodPost, "/admin/alarms/4/ack", "", as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	for _, query := range []string{"state=closed", "kind=fire", "match=x", "limit=501", "page=1"} {
		h.get(t, "/admin/alarms?"+query, as(operatorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}

func TestQueues(t *testing.T) {
	h := open(t)
	h.with(func() {
		h.queues = []goalcast.QueueState{{Name: "urgent", Waiting: 2, Dead: 1, Oldest: 1500 * time.Millisecond}}
		h.jobs = []goalcast.JobState{{Name: "retention", Runs: 3, Ended: kickoff}}
		h.dead = map[string][]goalcast.DeadTask{"urgent": {{ID: "ingest:document:7", Kind: "ingest:document",
			Payload: "7", Error: "no such match", Tries: 11, Died: kickoff},
			{ID: "notify:batch/a#1:2", Kind: "notify:batch", Payload: "x", Error: "gone", Tries: 3, Died: kickoff}},
			"default": nil}
	})
	if a := h.get(t, "/admin/queues", as(operatorToken)); !strings.Contains(string(a.body), `"oldest_seconds":1.5`) ||
		!strings.Contains(string(a.body), `"retention"`) {
		t.Errorf("%s", a.body)
	}
	if a := h.get(t, "/admin/queues/default/dead", as(operatorToken)); string(a.body) != `{"tasks":[]}` {
		t.Errorf("%s", a.body)
	}
	dead := decode[struct{ Tasks []goalcast.DeadTask }](t, h.get(t, "/admin/queues/urgent/dead?limit=5",
		as(operatorToken)).body)
	if len(dead.Tasks) != 2 || dead.Tasks[1].Error != "gone" {
		t.Errorf("%+v", dead)
	}
	h.get(t, "/admin/queues/slow/dead", as(operatorToken)).problem(t, http.StatusNotFound, "not_found")
	const task = "/admin/queues/urgent/dead/ingest:document:7/retry"
	h.ask(t, http.MethodPost, task, "", as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	if a := h.ask(t, http.MethodPost, task, "", as(operatorToken)); a.status != http.StatusNoContent ||
		len(h.dead["urgent"]) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.ask(t, http.MethodPost, task, "", as(operatorToken)).problem(t, http.StatusNotFound, "not_found")
	// An id with a slash: the description's router does not know it for one segment.
	if _, a := h.send(t, http.MethodPost, "/admin/queues/urgent/dead/notify:batch%2Fa%231:2/retry", "",
		as(operatorToken)); a.status != http.StatusNoContent || len(h.dead["urgent"]) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !strings.Contains(h.log.String(), "action=revive") {
		t.Error("no audit")
	}
}

func TestProcessWithoutAlarmsAndQueues(t *testing.T) {
	h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Alarms, d.Queues = nil, nil })
	for _, path := range []string{"GET /admin/alarms", "POST /admin/alarms/1/ack", "GET /admin/queues",
		"GET /admin/queues/urgent/dead", "POST /admin/queues/urgent/dead/x/retry"} {
		method, path, _ := strings.Cut(path, " ")
		h.ask(t, method, path, "", as(operatorToken)).problem(t, http.StatusNotImplemented, "not_here")
	}
}
