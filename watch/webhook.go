package watch

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"goalcast"
	"goalcast/internal/upstream"
)

// TaskWebhook is the kind of the queue's tasks that Watch makes; WebhookTask works on them.
const TaskWebhook = "watch:webhook"

// The headers of a call. The signature is "t=SECONDS,v1=HEX": HEX is the HMAC-SHA256, by the
// secret, of SECONDS, a dot and the body. Whoever checks it refuses old times, so that a call
// cannot be played back.
const (
	headerSignature = "Goalcast-Signature"
	headerDelivery  = "Goalcast-Delivery" // the same for a call that is made again
)

// notice is the body of a call.
type notice struct {
	Event string         `json:"event"` // "opened", "closed", "acknowledged"
	Alarm goalcast.Alarm `json:"alarm"`
}

// tell hands a call of the webhook to the queue. Without the queue, which may be what the alarm is
// about, it is made at once, once.
func (w *Watch) tell(ctx context.Context, event string, a goalcast.Alarm) {
	if w.cfg.Webhook == "" {
		return
	}
	payload, err := json.Marshal(notice{event, a})
	if err != nil {
		w.log.Error("alarm webhook", "alarm", a.ID, "error", err)
		return
	}
	err = w.queue.Enqueue(ctx, goalcast.Task{Kind: TaskWebhook, ID: fmt.Sprintf("%s:%d:%s", TaskWebhook, a.ID, event),
		Payload: payload, Urgent: true, Retries: w.cfg.Retries})
	if err == nil {
		return
	}
	w.told.WithLabelValues("unqueued").Inc()
	w.log.Warn("alarm webhook is called without the queue", "alarm", a.ID, "error", err)
	if err := w.WebhookTask(ctx, payload); err != nil {
		w.log.Error("alarm webhook", "alarm", a.ID, "event", event, "error", err)
	}
}

// WebhookTask makes one call, for the queue. Any error is tried again: an on-call tool that is
// being set up answers 404 or 401, too.
func (w *Watch) WebhookTask(ctx context.Context, payload []byte) error {
	if w.cfg.Webhook == "" {
		return fmt.Errorf("alarm webhook: %w: none is configured any more", goalcast.ErrPermanent)
	}
	err := w.call(ctx, payload)
	if err != nil {
		w.told.WithLabelValues("failed").Inc()
		return fmt.Errorf("alarm webhook: %w", err)
	}
	w.told.WithLabelValues("done").Inc()
	return nil
}

func (w *Watch) call(ctx context.Context, payload []byte) error {
	var n notice
	if err := json.Unmarshal(payload, &n); err != nil {
		return fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.WebhookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.Webhook, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("%w: not a URL", goalcast.ErrPermanent) // the URL may hold a secret
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "goalcast")
	r.Header.Set(headerDelivery, fmt.Sprintf("%d-%s", n.Alarm.ID, n.Event))
	if w.cfg.Secret != "" {
		r.Header.Set(headerSignature, sign(w.cfg.Secret, w.cfg.Now(), payload))
	}
	// A client of its own, without connections that stay open: calls are rare. Redirects are not
	// followed: a POST would become a GET.
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("no answer: %w", upstream.WithoutURL(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}

func sign(secret string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
