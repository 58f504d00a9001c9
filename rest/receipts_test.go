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

func receipt(event string, revision int, shown time.Time) string {
	return fmt.Sprintf(`{"match":1009316,"event":%q,"revision":%d,"shown_at":%q}`, event, revision,
		shown.Format(time.RFC3339Nano))
}

// told is when the provider told of the events of these tests.
var told = kickoff.Add(10 * time.Minute)

func openForReceipts(t *testing.T, change ...func(*rest.Config, *rest.Deps)) *house {
	h := open(t, append(change, func(c *rest.Config, _ *rest.Deps) { c.ReceiptShare = 0.25 })...)
	h.with(func() {
		h.times = map[string]goalcast.Times{
			"1009316/opta:1#1": {Provider: told.UnixMilli(), Received: told.UnixMilli() + 800},
			"1009316/opta:1#2": {Provider: told.Add(time.Minute).UnixMilli()},
			"1009316/own:1#1":  {Received: told.UnixMilli()},
			"0/message:1#1":    {Received: told.UnixMilli()},
		}
	})
	return h
}

// A receipt counts from when the provider told of that very revision, and the answer says which
// share is wanted.
func TestReceipts(t *testing.T) {
	h := openForReceipts(t)
	for _, body := range []string{
		receipt("opta:1", 1, told.Add(4*time.Second)),                               // 4 s
		receipt("opta:1", 2, told.Add(62*time.Second)),                              // 2 s
		receipt("opta:1", 1, told.Add(90*time.Second)),                              // of the revision before: 90 s
		receipt("own:1", 1, told.Add(500*time.Millisecond)),                         // without a provider's time
		receipt("opta:1", 1, told.Add(-2*time.Second).In(time.FixedZone("", 7200))), // a clock that is slow: 0 s
		strings.Replace(receipt("opta:1", 1, told.Add(time.Second)), `"event"`, `"by":"live","event"`, 1),
		receipt("opta:1", 1, told.Add(-2*time.Minute)), // a clock that is wrong
		receipt("opta:1", 3, told),                     // unknown
		receipt("opta:nothing", 1, told),               // likewise
		strings.Replace(receipt("message:1", 1, told.Add(time.Second)), `"match":1009316,`, "", 1),
	} {
		a := h.ask(t, http.MethodPost, "/v1/me/receipts", body, as(anna))
		if a.status != http.StatusOK || string(a.body) != `{"share":0.25}` {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	lines := h.metricLines(t)
	for _, want := range []string{
		"goalcast_notify_shown_seconds{by=push} 6\n", "goalcast_notify_shown_seconds{by=live} 1\n",
		"goalcast_notify_receipts_total{result=shown} 7\n", "goalcast_notify_receipts_total{result=unknown} 2\n",
		"goalcast_notify_receipts_total{result=clock} 1\n",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %s in %s", want, lines)
		}
	}
	if sum := shownSeconds(t, h, "push"); sum != 4+2+90+0.5+1 {
		t.Errorf("%f seconds", sum)
	}
	if h.timesRead != 6 {
		t.Errorf("read %d times for 6 revisions", h.timesRead)
	}
	if len(h.devices) != 0 || len(h.follows) != 0 {
		t.Error("something is kept of the user")
	}
}

// shownSeconds is the sum of the histogram.
func shownSeconds(t *testing.T, h *house, by string) float64 {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "goalcast_notify_shown_seconds" && m.Label[0].GetValue() == by {
				return m.GetHistogram().GetSampleSum()
			}
		}
	}
	return 0
}

// A browser has no token of its user: what it says by the receipt of a push counts the same, and
// nothing else does.
func TestReceiptsOfBrowsers(t *testing.T) {
	h := openForReceipts(t, withBrowsers)
	post := func(receipt, shown string) answer {
		return h.ask(t, http.MethodPost, "/v1/receipts/"+receipt+"?shown_at="+shown, "")
	}
	at := func(after time.Duration) string { return told.Add(after).Format(time.RFC3339Nano) }
	for _, after := range []time.Duration{3 * time.Second, 500 * time.Millisecond, -2 * time.Minute} {
		if a := post("made-by-us", at(after)); a.status != http.StatusNoContent || len(a.body) != 0 {
			t.Errorf("%s: %d %s", after, a.status, a.body)
		}
	}
	post("made-by-others", at(0)).problem(t, http.StatusNotFound, "not_found")
	for _, bad := range []string{"", "now", at(time.Hour), at(-25 * time.Hour)} {
		post("made-by-us", bad).problem(t, http.StatusBadRequest, "bad_parameter")
	}
	post("made-by-us", at(0)+"&by=live").problem(t, http.StatusBadRequest, "bad_parameter")
	h.clock.add(time.Hour) // it has ended, and that a clock may be off by
	post("made-by-us", at(time.Hour)).problem(t, http.StatusNotFound, "not_found")
	if sum := shownSeconds(t, h, "push"); sum != 3.5 {
		t.Errorf("%f seconds", sum)
	}
	lines := h.metricLines(t)
	for _, want := range []string{"goalcast_notify_receipts_total{result=shown} 2\n",
		"goalcast_notify_receipts_total{result=clock} 1\n"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %s in %s", want, lines)
		}
	}
}

// Browsers of one address may say only so much. It is none of what users of that address may ask.
func TestReceiptsOfBrowsersAreLimited(t *testing.T) {
	h := openForReceipts(t, withBrowsers, func(c *rest.Config, _ *rest.Deps) {
		c.IPRate = rest.Rate{PerMinute: 1, Burst: 2}
	})
	target := "/v1/receipts/made-by-us?shown_at=" + told.Format(time.RFC3339)
	for range 2 {
		if a := h.ask(t, http.MethodPost, target, ""); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	h.ask(t, http.MethodPost, target, "").problem(t, http.StatusTooManyRequests, "rate_ip")
	if a := h.ask(t, http.MethodGet, "/v1/me/follows", "", as(anna)); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBadReceipts(t *testing.T) {
	h := openForReceipts(t)
	now := h.clock.now()
	good := receipt("opta:1", 1, now)
	for name, tt := range map[string]struct {
		body      string
		status    int
		code      string
		parameter string
	}{
		"bad match":    {strings.Replace(good, "1009316", "-1", 1), 400, "bad_parameter", "match"},
		"match's text": {strings.Replace(good, "1009316", `"1009316"`, 1), 400, "bad_parameter", "match"},
		"no event":     {receipt("", 1, now), 400, "bad_parameter", "event"},
		"long event":   {receipt(strings.Repeat("x", 121), 1, now), 400, "bad_parameter", "event"},
		"event with a zero byte": {strings.Replace(good, "opta:1", `opta\u0000`, 1), 400, "bad_parameter",
			"event"},
		"no revision": {receipt("opta:1", 0, now), 400, "bad_parameter", "revision"},
		"no time":     {strings.Replace(good, "shown_at", "by", 1), 400, "bad_parameter", "shown_at"},
		"no such day": {strings.Replace(good, now.Format(time.DateOnly), "2026-02-30", 1), 400, "bad_parameter",
			"shown_at"},
		"to come": {receipt("opta:1", 1, now.Add(61*time.Second)), 400, "bad_parameter", "shown_at"},
		"old":     {receipt("opta:1", 1, now.Add(-24*time.Hour-time.Second)), 400, "bad_parameter", "shown_at"},
		"by hand": {strings.Replace(good, `"event"`, `"by":"hand","event"`, 1), 400, "bad_parameter", "by"},
		"more":    {strings.Replace(good, `"event"`, `"user":"anna","event"`, 1), 400, "bad_parameter", "user"},
		"too long": {strings.Replace(good, "opta:1", strings.Repeat("x", 5000), 1), 413, "too_large",
			""},
	} {
		a := h.ask(t, http.MethodPost, "/v1/me/receipts", tt.body, as(anna))
		if p := a.problem(t, tt.status, tt.code); p.Parameter != tt.parameter {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, at := range []time.Time{now.Add(time.Minute), now.Add(-24 * time.Hour)} { // just not refused
		if a := h.ask(t, http.MethodPost, "/v1/me/receipts", receipt("opta:1", 1, at), as(anna)); a.status != 200 {
			t.Errorf("at %s: %d %s", at, a.status, a.body)
		}
	}
	h.ask(t, http.MethodPost, "/v1/me/receipts", good).problem(t, http.StatusUnauthorized, "unauthorized")
}

// A user who reports more than a user may is refused as with all of /v1/me.
func TestReceiptsAreLimited(t *testing.T) {
	h := openForReceipts(t, func(c *rest.Config, _ *rest.Deps) { c.UserRate = rest.Rate{PerMinute: 1, Burst: 2} })
	for range 2 {
		if a := h.ask(t, http.MethodPost, "/v1/me/receipts", receipt("opta:1", 1, told), as(anna)); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	h.ask(t, http.MethodPost, "/v1/me/receipts", receipt("opta:1", 1, told), as(anna)).problem(t,
		http.StatusTooManyRequests, "rate_user")
}
