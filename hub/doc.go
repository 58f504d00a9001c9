// Package hub knows who is subscribed to what: events in, frames out, over WebSocket, server-sent events and long poll.
//
// cmd/goalcast makes one Hub per process, hands it to the bus as its goalcast.Listener, mounts it at GET /v1/live and runs it. The
// matches as they stand are on a board.Board, which the hub feeds with events and rest reads too.
//
// # The shape
//
// A connection belongs to one shard for life, and a shard is one goroutine that owns everything about its connections: the index
// of subscriptions, the lists of what waits, the sockets. Nothing of that is locked. What comes from outside (events, joins, state) is put
// into the shard's inbox in the order of the hub's lock, and that order is the order viewers see. That is the whole argument for
// "no gap and no repeat": a join takes its snapshots or its replay, and its place in every inbox, under the lock under which events get theirs.
//
// The shard appends an event's pointer to the list of each subscriber and then writes lists out, a few connections at a time, each
// with one writev of all that waits; between the groups it looks into the inbox, so that lists grow by themselves when events come
// faster than sockets take them. A socket that would block waits for EPOLLOUT. State (prices) is never queued: a connection only
// remembers since when it lacks the values of a topic, and gets the newest ones when it is its turn, after all events. Rounds of
// states take at most StateShare of a shard's time (loop.go), so that there is room for a goal however many prices there are.
//
// On Linux a plain TCP connection is taken from net/http after the handshake and only its descriptor is kept: no goroutine, no
// buffer. Everything else (TLS in the process, HTTP/2, other systems, long poll) has a goroutine of its own that does the
// writing, fed by the same shard from the same lists; see portable.go.
package hub
