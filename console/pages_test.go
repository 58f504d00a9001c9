package console_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

// hostile is text that a page must show and never run.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// fixture makes a match that began 20 minutes ago.
func (h *house) fixture(t *testing.T, id goalcast.MatchID, home, away string) {
	t.Helper()
	kickoff := h.time().Add(-20 * time.Minute).UTC().Truncate(time.Second)
	events := []goalcast.Event{
		{ID: fmt.Sprintf("match:%d:fixture", id), Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{
			Competition: goalcast.Competition{ID: 5, Name: "Coastal League"}, Kickoff: kickoff,
			Home: goalcast.Team{ID: 10*goalcast.TeamID(id) + 1, Name: home},
			Away: goalcast.Team{ID: 10*goalcast.TeamID(id) + 2, Name: away}}},
		{ID: fmt.Sprintf("match:%d:period:first_half", id), Kind: goalcast.KindPeriod, Period: goalcast.FirstHalf,
			At: kickoff},
	}
	must(t, h.db.UpdateMatch(t.Context(), id, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		for i := range events {
			e := &events[i]
			e.Match, e.Seq, e.Revision, e.Status = id, int64(i+1), 1, goalcast.Confirmed
			r.Snapshot = goalcast.Apply(r.Snapshot, *e)
			e.Topics = r.Snapshot.Topics(id)
		}
		return r, events, nil
	}))
}

// document keeps one that came a moment ago and could not be understood.
func (h *house) document(t *testing.T, match goalcast.MatchID, body, fault string) goalcast.DocumentID {
	t.Helper()
	d := goalcast.Document{Provider: "opta", Feed: "F9", Match: match, Body: []byte(body), Received: time.Now(),
		Headers: map[string]string{"x-meta": hostile}}
	must(t, h.db.KeepDocument(t.Context(), &d))
	must(t, h.db.FinishDocument(t.Context(), d.ID, goalcast.DocumentFailed, fault))
	return d.ID
}

func (h *house) alarm(t *testing.T, name string, match goalcast.MatchID, text string) {
	t.Helper()
	kind, _, _ := strings.Cut(name, ":")
	_, _, err := h.db.SettleAlarms(t.Context(), []goalcast.AlarmKind{goalcast.AlarmKind(kind)},
		[]goalcast.Alarm{{Name: name, Kind: goalcast.AlarmKind(kind), Match: match, Text: text}}, time.Now())
	must(t, err)
}

func (h *house) audience(t *testing.T, topics ...goalcast.TopicViewers) {
	t.Helper()
	must(t, h.bus.TellAudience(t.Context(), goalcast.Audience{Node: "web-1", Viewers: 12034, Limit: 20000,
		Transports: map[string]int{"websocket": 12034}, Topics: topics, Followed: len(topics)}))
}

// What is wrong stands on top, with what to do; then what is on, and the feeds.
func TestOverview(t *testing.T) {
	h := open(t)
	h.fixture(t, 7, "Port Amber", "Saltmarsh Rovers")
	h.audience(t, goalcast.TopicViewers{Topic: goalcast.ForMatch(7), Viewers: 8100},
		goalcast.TopicViewers{Topic: goalcast.ForTeam(71), Viewers: 77})
	v := h.visitor(t).login(operatorToken)
	calm := v.page("")
	contains(t, calm, "Nothing is wrong", "Port Amber - Saltmarsh Rovers", "8,100", "12,034", "21&#39;")
	containsNot(t, calm, "Wrong now")

	doc := h.document(t, 7, "<x>", "no <Soccer>")
	h.alarm(t, "step_held:7", 7, fmt.Sprintf("Port Amber - Saltmarsh Rovers: document %d of 20:15 says so", doc))
	h.pass(4 * time.Second)
	wrong := v.page("alarms") // the feeds' reading is a few seconds old
	contains(t, wrong, fmt.Sprintf(`href="/console/documents/%d"`, doc), "Look at the broadcast.")
	page := v.page("")
	contains(t, page, "Wrong now", "step held", `href="/console/feeds?match=7#documents"`, "<title>(1) Overview")
	contains(t, page, "1 document of opta F9 in the last hour")
	h.alarm(t, "unreadable:opta/F9", 0, "1 document of opta F9 cannot be understood")
	containsNot(t, v.page(""), "in the last hour cannot") // once is enough
	if strings.Index(page, "Wrong now") > strings.Index(page, "In play") {
		t.Error("what is wrong does not stand on top")
	}
	contains(t, v.page("matches"), "Port Amber", "team:71", "77", "web-1")
	contains(t, v.page("feeds"), "opta F9", "no &lt;Soccer&gt;")
}

// While Redis is away a page shows what the database knows, and says what is missing.
func TestOverviewWithoutRedis(t *testing.T) {
	h := open(t)
	v := h.visitor(t).login(operatorToken)
	must(t, h.redis.Close())
	a := v.get("")
	contains(t, a.body, "Nobody knows how many watch", "unavailable", a.header.Get("X-Request-Id"), "Feeds")
	if a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
}

// An editor sees the page of messages and no other.
func TestEditorsSeeMessagesOnly(t *testing.T) {
	h := open(t)
	h.document(t, 7, "<x>", "bad")
	v := h.visitor(t).login(editorToken)
	if a := v.get(""); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/message" {
		t.Errorf("%d %v", a.status, a.header)
	}
	page := v.page("message")
	contains(t, page, "Message to viewers", "editor")
	for _, path := range []string{"matches", "feeds", "documents/1", "documents/1/raw", "pushes", "odds", "alarms",
		"queues", "queues/ingest.default", "partners", "audit"} {
		containsNot(t, page, `href="/console/`+path)
		if a := v.get(path); a.status != http.StatusForbidden || !strings.Contains(a.body, "forbidden") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"documents/1/replay", "odds/gate", "odds/mapping", "alarms/1/ack",
		"queues/ingest.default/retry", "partners/house/replay"} {
		a := v.post(path, "match", "7", "shut", "true", "source", "x", "event", "1", "cursor", "1")
		if a.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if len(h.replayed) > 0 {
		t.Error("an editor has replayed")
	}
}

// Whatever strangers and editors write is shown as text, on every page.
func TestTextOfStrangersIsText(t *testing.T) {
	h := open(t)
	h.fixture(t, 7, hostile, "Saltmarsh")
	h.audience(t, goalcast.TopicViewers{Topic: goalcast.ForTeam(71), Viewers: 1})
	doc := h.document(t, 7, hostile+"\x00\xff", hostile)
	h.alarm(t, "feed_silent:7", 7, hostile)
	_, err := h.db.SaveMappings(t.Context(), []goalcast.OddsMapping{{Source: "x", Event: "<b>", Home: hostile,
		Away: "a", Decision: goalcast.MappingOpen, Described: time.Now(), Competition: hostile}})
	must(t, err)
	v := h.visitor(t).login(operatorToken)
	pages := map[string]string{}
	for _, path := range []string{"", "matches", "feeds", "feeds?provider=" + url.QueryEscape(hostile),
		fmt.Sprintf("documents/%d", doc), "odds", "alarms", "message?topic=" + url.QueryEscape(hostile) + "&sent=" +
			url.QueryEscape(hostile), "message?done=" + url.QueryEscape(hostile)} {
		pages[path] = v.get(path).body
	}
	pages["preview"] = v.post("message/preview", "kind", "team", "id", "71", "text", hostile).body
	pages["login"] = h.visitor(t).get("login?next=" + url.QueryEscape("/console/"+hostile)).body
	shown := 0
	for path, page := range pages {
		containsNot(t, page, "<script>alert", "<img src=x")
		if strings.Contains(html.UnescapeString(page), hostile) {
			shown++
		}
		for _, script := range regexp.MustCompile(`(?i)<script[^>]*>|<style|\son[a-z]+=["']?|style="`).FindAllString(
			regexp.MustCompile(`&[a-z0-9#]+;`).ReplaceAllString(page, " "), -1) {
			if !strings.HasPrefix(script, `<script src="/console/page.js?v=`) && !strings.Contains(script, "onerror") {
				t.Errorf("%s has %s", path, script)
			}
		}
	}
	if shown < 8 {
		t.Errorf("only %d pages show what was written", shown)
	}
	a := v.get(fmt.Sprintf("documents/%d/raw", doc))
	if a.body != hostile+"\x00\xff" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") ||
		a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%q %v", a.body, a.header)
	}
}

func TestHeaders(t *testing.T) {
	v := open(t).visitor(t)
	for _, path := range []string{"login", "style.css", "page.js", "icon.svg"} {
		a := v.get(path)
		policy := a.header.Get("Content-Security-Policy")
		contains(t, policy, "default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'")
		containsNot(t, policy, "unsafe", "http", "*")
		if a.status != http.StatusOK || a.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}

// An error of the API is shown with its status, code and the request to be found in the log.
func TestErrorsAreThoseOfTheAPI(t *testing.T) {
	h := open(t)
	v := h.visitor(t).login(operatorToken)
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"documents/99":          {404, "not_found"},
		"documents/x":           {404, "not_found"},
		"documents/%2e%2e%2f":   {404, "not_found"},
		"nowhere":               {404, "no_route"},
		"queues/none.default":   {404, "not_found"},
		"queues/a%2fb":          {404, "not_found"},
		"feeds?match=x":         {200, "bad_parameter"},
		"feeds?state=lost":      {200, "bad_parameter"},
		"odds?decision=perhaps": {200, "bad_parameter"},
	} {
		a := v.get(path)
		if a.status != want.status {
			t.Errorf("%s: %d", path, a.status)
		}
		contains(t, a.body, want.code, a.header.Get("X-Request-Id"))
	}
	a := v.post("documents/99/replay")
	if a.status != http.StatusNotFound || !strings.Contains(a.body, "not_found") {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, form := range []url.Values{{}, {"once": {"1"}, "text": {strings.Repeat("x", 70<<10)}}} {
		a := v.send(http.MethodPost, "/console/alarms/1/ack", form, "Origin: "+v.base)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, "bad_form") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// A form that is sent twice, by a double click or a reload, does what it does once.
func TestAFormDoesOneThing(t *testing.T) {
	h := open(t)
	doc := h.document(t, 7, "<x>", "bad")
	v := h.visitor(t).login(operatorToken)
	path := fmt.Sprintf("documents/%d", doc)
	page := v.page(path)
	once := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(page)[1]
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if a := v.post(path+"/replay", "once", once); a.status != http.StatusSeeOther {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if len(h.replayed) != 1 || h.replayed[0] != doc {
		t.Errorf("replayed %v", h.replayed)
	}
	contains(t, v.done(path+"/replay"), "Replayed.", "applied")
	if len(h.replayed) != 2 {
		t.Errorf("replayed %v", h.replayed)
	}
}

// A message is shown as it will be before it is sent, and sent once.
func TestMessage(t *testing.T) {
	h := open(t)
	h.fixture(t, 7, "Port Amber", "Saltmarsh")
	h.audience(t, goalcast.TopicViewers{Topic: goalcast.ForMatch(7), Viewers: 8100})
	v := h.visitor(t).login(editorToken)
	form := []string{"kind", "match", "id", " 7 ", "text", "Rain.\r\nWe wait & see <b>\r\n"}
	a := v.post("message/preview", form...)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	contains(t, a.body, "match:7: 8,100 viewers now", "Rain.\nWe wait &amp; see &lt;b&gt;", "it is not pushed")
	shown := regexp.MustCompile(`(?s)<pre[^>]*>(.*?)</pre>`).FindStringSubmatch(a.body)
	var preview, sent goalcast.Event
	must(t, json.Unmarshal([]byte(html.UnescapeString(shown[1])), &preview))
	fields := []string{}
	hidden := regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	for _, m := range hidden.FindAllStringSubmatch(a.body, -1) {
		fields = append(fields, m[1], html.UnescapeString(m[2]))
	}
	told := func() []goalcast.Revision {
		list, err := h.db.Told(t.Context(), 0, 100) // what is of no match: messages
		must(t, err)
		return list
	}
	if list := told(); len(list) != 0 {
		t.Errorf("sent before it was confirmed: %+v", list)
	}
	for range 2 {
		contains(t, v.done("message", fields...), "Sent.", preview.ID)
	}
	list := told()
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	sent = list[0].Event
	if sent.ID != preview.ID || string(sent.Message) != `{"text":"Rain.\nWe wait \u0026 see \u003cb\u003e"}` ||
		sent.Topics[0] != preview.Topics[0] {
		t.Errorf("sent %+v (%s), shown %+v (%s)", sent, sent.Message, preview, preview.Message)
	}
	for _, bad := range [][]string{{"kind", "match", "id", "x", "text", "y"}, {"kind", "odds", "id", "7", "text", "y"},
		{"kind", "match", "id", "7", "text", " \n"}} {
		if a := v.post("message/preview", bad...); a.status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, a.status)
		}
	}
}

// Operators shut prices, let them open again, and say what an event is.
func TestOdds(t *testing.T) {
	h := open(t)
	h.fixture(t, 7, "Port Amber", "Saltmarsh")
	_, err := h.db.SaveMappings(t.Context(), []goalcast.OddsMapping{{Source: "exchange", Event: "1.23",
		Home: "P. Amber", Away: "Saltm.", Decision: goalcast.MappingOpen, Described: time.Now(),
		Candidates: []goalcast.MatchID{7}}})
	must(t, err)
	v := h.visitor(t).login(operatorToken)
	contains(t, v.page("odds"), "none yet")
	step := goalcast.OddsStep{Topic: goalcast.ForOdds(7), Fence: 1, Set: &goalcast.Gate{State: goalcast.GateOpen}}
	for range 2 { // the second time with the version of the gate that the first one made
		done, err := h.bus.PublishOdds(t.Context(), time.Now(), []goalcast.OddsStep{step})
		must(t, err)
		step.Gate = done[0].Gate
	}
	page := v.page("odds")
	contains(t, page, "Port Amber - Saltmarsh", "P. Amber - Saltm.", `name="match" inputmode="numeric" `+
		`pattern="[1-9][0-9]*" required maxlength="19" size="10" value="7"`)
	page = v.done("odds/gate", "match", "7", "shut", "true")
	contains(t, page, "suspended: operator", "shut by operator", "no price of this match is shown")
	page = v.done("odds/gate", "match", "7", "shut", "false")
	containsNot(t, page, "shut by operator")
	page = v.done("odds/mapping", "source", "exchange", "event", "1.23", "match", "7", "back",
		"/console/odds?decision=decided")
	contains(t, page, "P. Amber - Saltm.", "by operator")
	page = v.done("odds/mapping", "source", "exchange", "event", "1.23", "match", "none", "back",
		"/console/odds?decision=refused")
	contains(t, page, "P. Amber - Saltm.", "refused")
	for _, bad := range [][]string{{"match", "x"}, {"match", ""}, {"match", "-1"}} {
		if a := v.post("odds/mapping", append(bad, "source", "exchange", "event", "1.23")...); a.status != 400 {
			t.Errorf("%v: %d", bad, a.status)
		}
	}
	if a := v.post("odds/gate", "match", "99", "shut", "true"); a.status != http.StatusNotFound {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// An alarm that somebody takes care of moves behind those that nobody does.
func TestAlarms(t *testing.T) {
	h := open(t)
	h.alarm(t, "feed_silent:7", 7, "no document since 20:15:00 UTC")
	h.alarm(t, "queue_lag:documents", 0, "documents wait")
	v := h.visitor(t).login(operatorToken)
	alarms, err := h.db.Alarms(t.Context(), goalcast.AlarmFilter{Kind: goalcast.AlarmQueueLag})
	must(t, err)
	page := v.done(fmt.Sprintf("alarms/%d/ack", alarms[0].ID), "back", "/console/alarms")
	contains(t, page, "Acknowledged", "operator takes care", "Alarms <b")
	if strings.Index(page, "no document since") > strings.Index(page, "documents wait") {
		t.Error("what somebody takes care of stands first")
	}
	_, _, err = h.db.SettleAlarms(t.Context(), []goalcast.AlarmKind{goalcast.AlarmQueueLag}, nil, time.Now())
	must(t, err)
	page = v.page("alarms")
	contains(t, page[strings.Index(page, "Closed"):], "documents wait")
}

// Every kind of alarm has a word on what to do.
func TestEveryAlarmHasAdvice(t *testing.T) {
	h := open(t)
	for i, kind := range goalcast.AlarmKinds {
		h.alarm(t, fmt.Sprintf("%s:%d", kind, i), 7, "it is so")
	}
	page := h.visitor(t).login(operatorToken).page("alarms")
	advice := regexp.MustCompile(`<div class="advice">(.*?)<`).FindAllStringSubmatch(page, -1)
	if len(advice) != len(goalcast.AlarmKinds) {
		t.Errorf("%d alarms of %d kinds", len(advice), len(goalcast.AlarmKinds))
	}
	for _, a := range advice {
		if len(a[1]) < 10 {
			t.Errorf("no advice in %q", a[0])
		}
	}
}

func TestQueuesAndPushes(t *testing.T) {
	h := open(t)
	v := h.visitor(t).login(operatorToken)
	contains(t, v.page("queues"), "Periodic jobs", "None has run yet.")
	contains(t, v.page("pushes"), "No event had anything to push yet.")
	h.goalPushed(t)
	contains(t, v.page("pushes"), `<a href="/console/pushes/opta:1%2F2">opta:1/2</a>`, "GOAL!")
	contains(t, v.page("pushes/opta:1%2F2"), "GOAL!", "1 device, 0 waiting", "<td data-label=\"p99\"", "unregistered",
		`<span class="tag">3 off</span>`)
	if a := v.get("pushes/opta:9"); a.status != http.StatusNotFound {
		t.Errorf("%d %s", a.status, a.body)
	}
	contains(t, v.page("pushes?after=1-x"), "No event had anything to push yet.")
}

// The page of partners says where each stands, and sets a cursor; what cannot be set is said.
func TestPartners(t *testing.T) {
	h := open(t)
	v := h.visitor(t).login(operatorToken)
	contains(t, v.page("partners"), "There is none", `href="/console/partners" aria-current="page"`)
	h.fixture(t, 7, "Port Amber", "Saltmarsh")
	h.fixture(t, 8, "Quarry Town", "Mill Athletic")
	_, err := h.db.NumberEvents(t.Context(), 100)
	must(t, err)
	must(t, h.db.ConfigurePartners(t.Context(), []string{"house", "texts"}))
	before, err := h.db.Partners(t.Context())
	must(t, err)
	paused := before[0]
	paused.Cursor, paused.Failing, paused.Paused = 0, h.time().Add(-25*time.Hour), h.time().Add(-time.Hour)
	paused.Attempts, paused.Reason, paused.Error = 3, "status", "<b>500"
	if kept, err := h.db.SavePartner(t.Context(), before[0], paused); err != nil || !kept {
		t.Fatal(kept, err)
	}
	contains(t, v.page("partners"), "house", `<span class="tag bad">paused</span>`, "status: &lt;b&gt;500",
		"3 attempts", "; paused since ", `<span class="tag ok">ok</span>`, "Go on…",
		fmt.Sprintf(`<td data-label="Waiting" class="n">%d</td>`, before[0].Newest))
	for _, form := range [][]string{{}, {"cursor", "1", "since", "2026-03-14T19:00"}, {"cursor", "x"}, {"since", "x"}} {
		if a := v.post("partners/house/replay", form...); a.status != http.StatusBadRequest ||
			!strings.Contains(a.body, "bad_parameter") {
			t.Errorf("%v: %d %s", form, a.status, a.body)
		}
	}
	for path, want := range map[string]int{"partners/nobody/replay": http.StatusNotFound,
		"partners/a%2fb/replay": http.StatusNotFound} {
		if a := v.post(path, "cursor", "1"); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := v.post("partners/house/replay", "cursor", "99"); a.status != http.StatusUnprocessableEntity ||
		!strings.Contains(a.body, "out_of_reach") {
		t.Errorf("%d %s", a.status, a.body)
	}
	v.done("partners/house/replay", "cursor", "1")
	v.done("partners/texts/replay", "since", h.time().Add(-48*time.Hour).UTC().Format("2006-01-02T15:04"))
	after, err := h.db.Partners(t.Context())
	must(t, err)
	if after[0].Cursor != 1 || !after[0].Paused.IsZero() || after[1].Cursor != 0 {
		t.Errorf("%+v", after)
	}
	contains(t, h.visitor(t).login(adminToken).page("audit"), "POST partners/{name}/replay")
}

// goalPushed plans the push of a goal with one device, and gives it up.
func (h *house) goalPushed(t *testing.T) {
	t.Helper()
	e := goalcast.Event{ID: "opta:1/2", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Match: 7,
		Seq:  1,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
	must(t, h.db.UpdateMatch(t.Context(), 7, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		r.Snapshot = goalcast.Apply(r.Snapshot, e)
		return r, []goalcast.Event{e}, nil
	}))
	_, err := h.db.PlanPush(t.Context(), e, func(r goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch,
		error) {
		r.Revision, r.State, r.Base, r.Told = 1, goalcast.RecordShown, 1, 1
		r.Content, r.Withheld = []byte(`{"kind":"goal","texts":{"en":{"title":"GOAL!"}}}`), map[string]int{"off": 3}
		return r, []goalcast.PushBatch{{ID: "b", Event: r.Event, Revision: 1, Devices: []int64{1},
			Expires: h.time().Add(time.Hour)}}, nil
	})
	must(t, err)
	c, _, err := h.db.ClaimBatch(t.Context(), "b", h.time(), time.Minute)
	must(t, err)
	_, err = h.db.FinishBatch(t.Context(), c, goalcast.PushResult{State: goalcast.BatchSent,
		Tally: goalcast.PushTally{"fcm": {Failed: map[string]int{"unregistered": 1}, Removed: 1}}})
	must(t, err)
}

// The audit is for administrators; what somebody did at the page is in it as if it was done by
// hand.
func TestAudit(t *testing.T) {
	h := open(t)
	h.fixture(t, 7, "Port Amber", "Saltmarsh")
	operator, admin := h.visitor(t).login(operatorToken), h.visitor(t).login(adminToken)
	operator.done("odds/gate", "match", "7", "shut", "true")
	containsNot(t, operator.page(""), `href="/console/audit"`)
	if a := operator.get("audit"); a.status != http.StatusForbidden {
		t.Errorf("%d %s", a.status, a.body)
	}
	page := admin.page("audit")
	contains(t, page, "PUT odds/gates/{id}", "token:", `<span class="tag ok">200</span>`, `&#34;shut&#34;: true`)
	containsNot(t, page, operatorToken)
	contains(t, admin.page("audit?action=messages"), "None.")
	if a := admin.get("audit?before=x"); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
}
