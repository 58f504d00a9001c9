package hub_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// Whoever came by a ticket is ended when it is revoked. Who came with a token, or by another one's
// ticket, stays; so does who came by a new ticket after that.
func TestRevokedTicketsEndStreams(t *testing.T) {
	var mu sync.Mutex
	revoked := map[goalcast.UserID]int64{}
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}}, RevokedLook: 10 * time.Millisecond,
		Revoked: func(context.Context) (map[goalcast.UserID]int64, error) {
			mu.Lock()
			defer mu.Unlock()
			list := map[goalcast.UserID]int64{}
			for user, at := range revoked {
				list[user] = at
			}
			return list, nil
		}}, false)
	enter := func(query string, headers ...string) *watcher {
		t.Helper()
		w, status := watch(t, n, "topics=match:1"+query, headers...)
		if w == nil {
			t.Fatalf("%s: %d", query, status)
		}
		w.hears(goalcast.FrameHello)
		return w
	}
	stays := func(w *watcher) {
		t.Helper()
		w.say(`{"type":"ping","id":"1"}`)
		w.hears(goalcast.FramePong)
	}
	byTicket, byToken := enter("&ticket=once:fan"), enter("", "Authorization: Bearer fan")
	both, other := enter("&ticket=once:fan", "Authorization: Bearer fan"), enter("&ticket=once:punter")
	stays(byTicket)
	mu.Lock()
	revoked["fan"] = 1
	mu.Unlock()
	if f := byTicket.hears(goalcast.FrameBye); f.Reason != goalcast.ByeExpired {
		t.Errorf("bye: %+v", f)
	}
	for _, w := range []*watcher{byToken, both, other} {
		stays(w)
	}
	if got := n.metric(t, "goalcast_hub_revoked_total", ""); got != 1 {
		t.Errorf("%v were ended", got)
	}
	again := enter("&ticket=once:fan-1h") // the revocation is still told, and was before it
	for range 5 {
		stays(again)
	}
	mu.Lock()
	revoked["fan"] = 2
	mu.Unlock()
	again.hears(goalcast.FrameBye)
}
