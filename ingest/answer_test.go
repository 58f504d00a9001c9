package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/ingest/merge"
)

// byHand is the plain provider for people.
type byHand struct{ plain }

func (byHand) Name() string { return "byhand" }
func (byHand) Checked()     {}

func (byHand) Read(d goalcast.Document) (merge.Reading, error) {
	if bytes.Contains(d.Body, []byte("wrong")) {
		return merge.Reading{}, fmt.Errorf("not a match: %w", &merge.FieldError{Field: "events[2].minute",
			Text: `want a whole number, not "soon"`})
	}
	return plain{}.Read(d)
}

func (b *bench) byHand() string {
	b.providers["byhand"] = byHand{}
	return strings.Replace(b.url, "plain", "byhand", 1)
}

// Who writes documents by hand is told what is wrong with them; the document is kept and failed all
// the same, and nobody has to ask for it.
func TestWhoWritesByHandIsToldWhatIsWrong(t *testing.T) {
	b := newBench(t, Config{})
	res, answer := b.send(t, b.byHand(), []byte("wrong"), "X-Request-Id", "request-17")
	if res.StatusCode != 422 || res.Header.Get("Content-Type") != "application/problem+json" ||
		answer["code"] != "unreadable" || answer["field"] != "events[2].minute" ||
		answer["detail"] != `events[2].minute: want a whole number, not "soon"` || answer["document"] != 1.0 ||
		answer["state"] != "failed" || answer["request_id"] != "request-17" ||
		answer["status"] != 422.0 || answer["title"] != "Unprocessable Entity" || answer["type"] != "about:blank" {
		t.Errorf("%s %v", res.Status, answer)
	}
	b.await(t, "its end", func(m *Memory) bool { return m.States()[goalcast.DocumentFailed] == 1 })
	if res, answer = b.send(t, b.byHand(), body(oneGoal)); res.StatusCode != 200 || answer["state"] != "received" ||
		answer["document"] != 2.0 {
		t.Errorf("the right one: %s %v", res.Status, answer)
	}
	if res, _ = b.send(t, b.url, []byte("{")); res.StatusCode != 200 {
		t.Errorf("a machine: %s", res.Status)
	}
}

// ?wait= answers when the document is applied, with what came of it.
func TestWaitForWhatBecomesOfADocument(t *testing.T) {
	b := newBench(t, Config{})
	res, answer := b.send(t, b.url+"?wait=10s", body(oneGoal))
	matches, _ := answer["matches"].([]any)
	if res.StatusCode != 200 || answer["state"] != "applied" || answer["outcome"] != "changed" || len(matches) != 1 {
		t.Fatalf("%s %v", res.Status, answer)
	}
	m := matches[0].(map[string]any)
	events := m["events"].([]any)
	if m["match"] != 77.0 || m["seq"] != 2.0 || len(events) != 2 ||
		fmt.Sprint(events[1]) != fmt.Sprint(map[string]any{"id": oneGoal.m.Facts[0].ID, "kind": "goal",
			"status": "confirmed", "revision": 1.0, "seq": 2.0}) {
		t.Errorf("%v", m)
	}
	if res, answer = b.send(t, b.url+"?wait=10", body(oneGoal)); res.StatusCode != 200 ||
		answer["outcome"] != "unchanged" {
		t.Errorf("again: %s %v", res.Status, answer)
	}
	if res, answer = b.send(t, b.url+"?wait=10s", []byte("{")); res.StatusCode != 422 || answer["state"] != "failed" ||
		answer["document"] == nil {
		t.Errorf("not to be read: %s %v", res.Status, answer)
	}
	if res, answer = b.send(t, b.url+"?wait=10s", []byte("unread")); res.StatusCode != 200 ||
		answer["outcome"] != "ignored" {
		t.Errorf("of no feed: %s %v", res.Status, answer)
	}
	for _, wait := range []string{"soon", "-1s", "1e99"} {
		if res, answer = b.send(t, b.url+"?wait="+wait, body(oneGoal)); res.StatusCode != 400 ||
			answer["field"] != "wait" {
			t.Errorf("%s: %s %v", wait, res.Status, answer)
		}
	}
	b.memory.UpdateErr = fmt.Errorf("%w: a secret of the database", goalcast.ErrPermanent)
	if res, answer = b.send(t, b.url+"?wait=10s", body(says(sourceEvents, 30, fixture()))); res.StatusCode != 422 ||
		answer["code"] != "not_applied" || strings.Contains(fmt.Sprint(answer), "secret") {
		t.Errorf("not to be applied: %s %v", res.Status, answer)
	}
	b.memory.UpdateErr = errors.New("away")
	if res, answer = b.send(t, b.url+"?wait=10s", body(says(sourceEvents, 31, fixture()))); res.StatusCode != 202 ||
		answer["state"] != "received" {
		t.Errorf("not now: %s %v", res.Status, answer)
	}
}

// Whoever waits takes no place from those who post, is answered in time, and is limited in number.
func TestWaitingHoldsNobodyUp(t *testing.T) {
	b := newBench(t, Config{MaxRequests: 1})
	read, let := make(chan struct{}), make(chan struct{})
	b.cfg.Fault = func(point string) {
		if point == "parsed" {
			read <- struct{}{}
			<-let
		}
	}
	waited := make(chan *http.Response, 1)
	go func() {
		res, _ := b.send(t, b.url+"?wait=10s", body(oneGoal))
		waited <- res
	}()
	<-read
	go func() { <-read }()
	if res, answer := b.send(t, b.url+"?wait=1ms", body(says(sourceEvents, 31, fixture()))); res.StatusCode != 202 ||
		answer["state"] != "received" {
		t.Errorf("%s %v", res.Status, answer)
	}
	for range maxWaiting - 1 {
		b.awaiting <- struct{}{}
	}
	if res, _ := b.send(t, b.url+"?wait=10s", body(says(sourceEvents, 32, fixture()))); res.StatusCode != 202 {
		t.Errorf("beyond the limit: %s", res.Status)
	}
	close(let)
	go func() { <-read }()
	if res := <-waited; res.StatusCode != 200 {
		t.Errorf("who waited: %s", res.Status)
	}
}

// What documents take of memory while they are received is limited, and given back.
func TestBytesOfDocumentsAtOnceAreLimited(t *testing.T) {
	b := newBench(t, Config{MaxBody: 1 << 20, HeldBytes: 3 << 19})
	large := bytes.Repeat([]byte("x"), 1<<20)
	arrived, let := make(chan struct{}), make(chan struct{})
	b.memory.Keeping = func() { arrived <- struct{}{}; <-let }
	done := make(chan int, 1)
	go func() {
		res, _ := b.send(t, b.url, large)
		done <- res.StatusCode
	}()
	<-arrived
	if res, answer := b.send(t, b.url, large); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" ||
		answer["code"] != "memory" {
		t.Errorf("%s %v", res.Status, answer)
	}
	go func() { <-arrived }()
	close(let)
	if status := <-done; status != 200 {
		t.Error(status)
	}
	if res, _ := b.send(t, b.url, body(oneGoal)); res.StatusCode != 200 {
		t.Errorf("a small one: %s", res.Status)
	}
	if used := b.held.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func TestPackedDocumentsHaveARatio(t *testing.T) {
	b := newBench(t, Config{})
	if res, answer := b.send(t, b.url, zipped(t, make([]byte, 8<<20)), "Content-Encoding",
		"gzip"); res.StatusCode != 413 || answer["code"] != "ratio" {
		t.Errorf("%s %v", res.Status, answer)
	}
	if n := testutil.ToFloat64(b.metrics.refused.WithLabelValues("plain", "ratio")); n != 1 {
		t.Errorf("counted %v", n)
	}
}

// Large documents are not read at once, small ones beside them are.
func TestBytesOfDocumentsBeingReadAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(4, 1<<30)
		w.runBytes = 100
		let := make(chan struct{})
		running := make(chan int64, 10)
		add := func(size int64) {
			w.add(job{size: size, due: time.Now(), run: func() { running <- size; <-let }})
			time.Sleep(time.Millisecond)
		}
		for _, size := range []int64{1000, 90, 5, 5} {
			add(size)
		}
		synctest.Wait()
		if len(running) != 1 {
			t.Errorf("%d run beside a large one", len(running)-1)
		}
		let <- struct{}{}
		synctest.Wait()
		if len(running) != 4 {
			t.Errorf("%d have run", len(running))
		}
		close(let)
		w.close(time.Hour)
	})
}

// A document that does not end, or cannot be applied, holds no other up, however
// many there are of it.
func TestSweepIsNotHeldUpByOneDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory()
		in := newQuiet(memory, Config{MaxAhead: 100 * 365 * 24 * time.Hour, SweepLimit: 3,
			ProcessTimeout: 30 * time.Second})
		var slow atomic.Int32
		memory.Updating = func(ctx context.Context, match goalcast.MatchID) error {
			if match != 500 {
				return nil
			}
			slow.Add(1)
			<-ctx.Done()
			return fmt.Errorf("update: %w: %w", goalcast.ErrUnavailable, ctx.Err())
		}
		keep := func(match goalcast.MatchID, minute int) {
			h := says(sourceEvents, minute, fixture())
			h.m.Match = match
			if err := memory.KeepDocument(t.Context(), &goalcast.Document{Provider: "plain", Body: body(h),
				Received: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 5 {
			keep(500, i)
		}
		for i := range 5 {
			keep(77, i)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- in.Run(ctx) }()
		time.Sleep(3 * time.Minute)
		if n := memory.StatesNow()[goalcast.DocumentApplied]; n != 5 {
			t.Errorf("%d applied behind those that do not end", n)
		}
		if n := slow.Load(); n < 10 || n > 60 {
			t.Errorf("the slow ones were tried %d times", n)
		}
		stop()
		<-ended
	})
}
