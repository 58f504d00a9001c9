package hub

import (
	"context"
	"sync"
	"time"
	"weak"

	"goalcast"
	"goalcast/hub/shard"
)

// revokedLook is how often it is asked whose tickets were revoked, while anybody is here by one: so
// long a stream may outlast its ticket.
const revokedLook = 5 * time.Second

// holders are the connections that came by tickets, by user, so that they can be ended when those
// are revoked. There is nothing here for anybody else, and nothing of it in a connection.
type holders struct {
	mu     sync.Mutex // guards the rest
	byUser map[goalcast.UserID][]holder
	seen   map[goalcast.UserID]revocation // those of the last look
}

// holder is a connection by a ticket. It does not keep the connection in memory.
type holder struct {
	conn  weak.Pointer[shard.Conn]
	shard *shard.Shard
	came  time.Time // before its ticket was looked at
}

// revocation is the last one of a user.
type revocation struct {
	at    int64     // whatever tells it from an earlier one
	known time.Time // when it was seen first, here
}

// hold notes a connection that has joined its shard.
func (h *Hub) hold(to *shard.Shard, c *shard.Conn, v *viewer) {
	if v.ticket == "" || v.user == "" || h.cfg.Revoked == nil {
		return
	}
	h.holders.mu.Lock()
	defer h.holders.mu.Unlock()
	if h.holders.byUser == nil {
		h.holders.byUser = map[goalcast.UserID][]holder{}
	}
	h.holders.byUser[v.user] = append(h.holders.byUser[v.user], holder{weak.Make(c), to, v.came})
}

// watchRevoked ends what came by tickets that were revoked.
func (h *Hub) watchRevoked(ctx context.Context) error {
	if h.cfg.Revoked == nil {
		return nil
	}
	ticker := time.NewTicker(h.cfg.RevokedLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if !h.holders.any() {
			continue
		}
		asked := time.Now()
		asking, cancel := context.WithTimeout(ctx, h.cfg.JoinTimeout)
		revoked, err := h.cfg.Revoked(asking)
		cancel()
		if err != nil {
			h.log.Warn("whose tickets were revoked is not known; it is asked again", "error", err)
			continue
		}
		for _, end := range h.holders.revoke(revoked, asked) {
			if c := end.conn.Value(); c != nil {
				h.metrics.revoked.Inc() // first: whoever is told of the end may look at once
				end.shard.Post(&shard.Revoked{Conn: c})
			}
		}
	}
}

// any says whether there is anybody, and forgets those that have gone.
func (l *holders) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for user, list := range l.byUser {
		left := list[:0]
		for _, one := range list {
			if one.conn.Value() != nil {
				left = append(left, one)
			}
		}
		if l.byUser[user] = left; len(left) == 0 {
			delete(l.byUser, user)
		}
	}
	return len(l.byUser) > 0
}

// revoke takes out those whose users' tickets were revoked. A revocation is heard of several times,
// since somebody may have come by a ticket that it met, and joined after it was first seen.
func (l *holders) revoke(revoked map[goalcast.UserID]int64, asked time.Time) (ended []holder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[goalcast.UserID]revocation, len(revoked))
	for user, at := range revoked {
		r := l.seen[user]
		if r.at != at || r.known.IsZero() {
			r = revocation{at: at, known: asked}
		}
		seen[user] = r
		var left []holder
		for _, one := range l.byUser[user] {
			if one.came.Before(r.known) {
				ended = append(ended, one)
			} else {
				left = append(left, one)
			}
		}
		if l.byUser[user] = left; len(left) == 0 {
			delete(l.byUser, user)
		}
	}
	l.seen = seen
	return ended
}
