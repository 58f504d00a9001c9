package rest_test

import (
	"fmt"
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
		h.alarmsFor != (goalcast.AlarmFilter{Open: true, Limit: 101}) {
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
		h.alarmsFor != (goalcast.AlarmFilter{Kind: goalcast.AlarmSilent, Match: 7, Limit: 6}) {
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

// Lists of the admin API go on where a page ended, and say so as public ones do.
func TestAdminListsHavePages(t *testing.T) {
	h := openWithAdmin(t)
	withMapping(h)
	h.documents[7], h.documents[8] = document(7), document(8)
	h.with(func() {
		h.alarms = []goalcast.Alarm{{ID: 4, Name: "a", Kind: goalcast.AlarmSilent, Opened: kickoff},
			{ID: 3, Name: "b", Kind: goalcast.AlarmSilent, Opened: kickoff}}
	})
	h.with(func() {
		h.pushes = []goalcast.PushState{{Event: "9/opta:2", State: "shown", Planned: kickoff},
			{Event: "opta:1", State: "shown", Planned: kickoff}}
		h.dead = map[string][]goalcast.DeadTask{"urgent": {{ID: "work:2-b", Tries: 1, Died: kickoff},
			{ID: "work:1", Tries: 1, Died: kickoff}}}
	})
	h.ask(t, http.MethodPost, "/admin/messages", message, as(adminToken))
	first := h.mappings[0]
	for _, tt := range []struct {
		path, after string
		asked       func() any
		want        any
	}{
		{"/admin/documents", "8", func() any { return h.docFilter }, goalcast.DocumentFilter{Before: 8, Limit: 2}},
		{"/admin/alarms", "4", func() any { return h.alarmsFor },
			goalcast.AlarmFilter{Open: true, Before: 4, Limit: 2}},
		{"/admin/pushes", fmt.Sprintf("%d-9/opta:2", kickoff.UnixMilli()), func() any { return h.pushesAfter },
			goalcast.PushPlace{Planned: kickoff, Event: "9/opta:2"}},
		{"/admin/queues/urgent/dead", fmt.Sprintf("%d-work:2-b", kickoff.Unix()), func() any { return h.deadAfter },
			goalcast.DeadPlace{Died: kickoff, ID: "work:2-b"}},
		{"/admin/audit", "2", func() any { return h.auditFor }, goalcast.AuditFilter{Before: 2, Limit: 2}},
		{"/admin/odds/mappings", fmt.Sprintf("%d/%s/%s", first.Described.UnixMilli(), first.Source, first.Event),
			func() any { return h.mappingsFor }, goalcast.OddsMappingFilter{Limit: 2, After: goalcast.OddsMappingPlace{
				Described: first.Described, Source: first.Source, Event: first.Event}}},
	} {
		a := h.get(t, tt.path+"?limit=1", as(adminToken))
		end := decode[struct {
			More  bool
			After string
		}](t, a.body)
		next, ok := strings.CutPrefix(a.header.Get("Link"), "<")
		next, _, _ = strings.Cut(next, ">")
		if !end.More || end.After != tt.after || !ok {
			t.Errorf("%s: %+v, Link %q", tt.path, end, a.header.Get("Link"))
			continue
		}
		h.get(t, next, as(adminToken))
		if got := tt.asked(); got != tt.want {
			t.Errorf("%s: asked for %+v, want %+v", next, got, tt.want)
		}
		a = h.get(t, tt.path+"?limit=2", as(adminToken))
		if a.header.Get("Link") != "" || strings.Contains(string(a.body), `"more"`) {
			t.Errorf("%s: the last page goes on: %s", tt.path, a.body)
		}
		for _, after := range []string{"0", "x", "1/feed", "-1/feed/e", "1//e"} {
			h.get(t, tt.path+"?after="+after, as(adminToken)).problem(t, http.StatusBadRequest, "bad_parameter")
		}
	}
	a := h.get(t, "/admin/documents?limit=1&before=20", as(adminToken))
	if want := `</admin/documents?after=8&limit=1>; rel="next"`; a.header.Get("Link") != want {
		t.Errorf("Link %q", a.header.Get("Link"))
	}
	h.get(t, "/admin/documents?before=20&after=20", as(adminToken)).problem(t, http.StatusBadRequest, "bad_parameter")
}
