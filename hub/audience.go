package hub

import (
	"goalcast"
	"goalcast/hub/shard"
)

// Audience counts the viewers of this node, and names the topics that most of them follow: at most
// so many.
func (h *Hub) Audience(topics int) goalcast.Audience {
	a := goalcast.Audience{Transports: map[string]int{}, Limit: h.cfg.MaxConns}
	for i, n := range h.metrics.sum().Connections {
		a.Transports[shard.TransportNames[i]] = int(n)
		a.Viewers += int(n)
	}
	if err := h.Ready(); err != nil {
		a.Reason = err.Error()
	}
	list := h.follow.Audience()
	a.Followed = len(list)
	a.Topics = list[:min(len(list), topics)]
	return a
}
