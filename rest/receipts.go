package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/internal/problem"
)

// What a phone's clock may be off by, and how long a receipt may wait on it.
const (
	receiptSkew = time.Minute
	receiptAge  = 24 * time.Hour
)

// maxEventID is the longest id of an event, in bytes.
const maxEventID = 120

// By what something was shown.
const (
	byPush = "push"
	byLive = "live"
)

// What becomes of a receipt that can be read.
const (
	receiptShown   = "shown"   // observed
	receiptUnknown = "unknown" // there is no such revision
	receiptClock   = "clock"   // it was shown before anybody told of it: the clock is wrong
)

// receiptBody says when a device showed a revision of an event.
type receiptBody struct {
	Match    goalcast.MatchID `json:"match"` // 0: that of the push of the event
	Event    string           `json:"event"`
	Revision int              `json:"revision"`
	ShownAt  string           `json:"shown_at"`
	By       string           `json:"by"` // byPush if empty
}

// receiptAnswer says which part of what it shows a device is to report.
type receiptAnswer struct {
	Share float64 `json:"share"`
}

// revisionOf names a revision of an event.
type revisionOf struct {
	match    goalcast.MatchID
	event    string
	revision int
}

// receipts is what is counted of what devices have shown.
type receipts struct {
	shown *prometheus.HistogramVec // by
	total *prometheus.CounterVec   // result
}

func newReceipts(reg prometheus.Registerer) receipts {
	f := promauto.With(reg)
	r := receipts{
		shown: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_notify_shown_seconds",
			Help: "From the provider's document that told of an event to its notification on a device (push), or to " +
				"the screen of one that listens (live), by the device's clock and word.",
			Buckets: []float64{.25, .5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600, 3600}}, []string{"by"}),
		total: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_notify_receipts_total",
			Help: "Receipts of devices that could be read, by what became of them: shown (observed), unknown (no " +
				"such revision of an event), clock (shown before anybody told of it)."}, []string{"result"}),
	}
	for _, by := range []string{byPush, byLive} {
		r.shown.WithLabelValues(by)
	}
	for _, result := range []string{receiptShown, receiptUnknown, receiptClock} {
		r.total.WithLabelValues(result)
	}
	return r
}

// read checks a receipt.
func (b *receiptBody) read(now time.Time) (shown time.Time, err error) {
	shown, err = shownAt(b.ShownAt, now)
	b.By = cmp.Or(b.By, byPush)
	switch {
	case b.Match < 0:
		return shown, badParameter("match", "want the match of the event; what was pushed may go without")
	case b.Event == "" || len(b.Event) > maxEventID || strings.ContainsFunc(b.Event, unicode.IsControl):
		return shown, badParameter("event", "want the id of an event")
	case b.Revision <= 0:
		return shown, badParameter("revision", "want 1 or more")
	case err != nil:
		return shown, err
	case b.By != byPush && b.By != byLive:
		return shown, badParameter("by", "want %s or %s", byPush, byLive)
	}
	return shown, nil
}

// shownAt reads when something was shown.
func shownAt(text string, now time.Time) (shown time.Time, err error) {
	shown, err = time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return shown, badParameter("shown_at", "want a time like 2026-05-17T14:30:00.250Z")
	case shown.After(now.Add(receiptSkew)):
		return shown, badParameter("shown_at", "it is yet to come")
	case shown.Before(now.Add(-receiptAge)):
		return shown, badParameter("shown_at", "it is longer ago than %d hours", receiptAge/time.Hour)
	}
	return shown, nil
}

// postReceipt counts when a device showed something, and keeps nothing of whose it is. All that can
// be read is answered alike, so that nobody finds out by it what is known of matches that not
// everybody may see.
func (s *Server) postReceipt(w http.ResponseWriter, r *http.Request, _ goalcast.UserID) error {
	var body receiptBody
	if err := readJSON(w, r, s.cfg.MeBody, &body); err != nil {
		return err
	}
	shown, err := body.read(s.cfg.Now())
	if err != nil {
		return err
	}
	told, err := s.told.Get(r.Context(), revisionOf{body.Match, body.Event, body.Revision},
		func(ctx context.Context) (time.Time, error) {
			times, err := s.store.EventTimes(ctx, body.Match, body.Event, body.Revision)
			return time.UnixMilli(cmp.Or(times.Provider, times.Received)), err
		})
	switch {
	case errors.Is(err, goalcast.ErrNotFound):
		s.receipts.total.WithLabelValues(receiptUnknown).Inc()
	case err != nil:
		return fmt.Errorf("times of an event: %w", err)
	default:
		s.receipts.count(body.By, shown.Sub(told))
	}
	return writeJSON(w, http.StatusOK, receiptAnswer{s.cfg.ReceiptShare})
}

// count counts that something was shown so long after it was told.
func (r receipts) count(by string, took time.Duration) {
	if took < -receiptSkew {
		r.total.WithLabelValues(receiptClock).Inc()
		return
	}
	r.shown.WithLabelValues(by).Observe(max(0, took.Seconds()))
	r.total.WithLabelValues(receiptShown).Inc()
}

// postPushReceipt counts when a browser showed the push that the receipt in its path came with. A
// service worker has no token of its user: the receipt says that a push was sent, and is good for
// nothing else.
func (s *Server) postPushReceipt(w http.ResponseWriter, r *http.Request) error {
	if s.browsers == nil {
		return errNotHere
	}
	address := addressKey(r.Context())
	if err := s.take(r.Context(), w, "rate_ip", "receipt:"+address, s.cfg.IPRate); err != nil {
		return err
	}
	q := newQuery(r, "shown_at")
	if q.err != nil {
		return q.err
	}
	now := s.cfg.Now()
	shown, err := shownAt(q.values.Get("shown_at"), now)
	if err != nil {
		return err
	}
	told, ok := s.browsers.ReadReceipt(chi.URLParam(r, "receipt"), now.Add(-receiptSkew))
	if !ok {
		return problem.New(http.StatusNotFound, "not_found", "no such receipt, or its push is over")
	}
	s.receipts.count(byPush, shown.Sub(told))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
