// Package hub lets viewers in and sends them what they follow: events in, frames out, over
// WebSocket, server-sent events and long poll.
//
// cmd/goalcast makes one Hub per process, hands it to the bus as its goalcast.Listener, mounts it
// at GET /v1/live and runs it. The hub itself is the door: handshake, identity, topics, limits, and
// what a viewer begins with. It runs on the goroutines of requests and of the bus. The rooms behind
// it are its subpackages: board has the matches as they stand, follow the topics that have viewers
// and their states, limits who may come in, frame a message in each of its encodings, shard the
// event loop that writes.
//
// A connection belongs to one shard for life, and a shard is one goroutine that owns everything
// about its connections. What comes from outside (events, joins, states) is posted to the shards
// under the hub's lock, Hub.mu, and that order is the order viewers see. That is the whole argument
// for "no gap and no repeat": a join takes its snapshots or its replay, and its place in its
// shard's inbox, under the lock under which events get theirs. Besides that lock, what goroutines
// share is a few atomics, and what the subpackages name.
package hub
