// Package swarm is a load generator for push hubs: tens of thousands of viewers per process, over
// WebSocket or server-sent events, who check what they get. Its command
// (loadtest/swarm/cmd/swarm) is for whoever wants to know what a server of theirs can hold;
// loadtest/bench drives it for docs/benchmarks.md.
//
// # What it measures
//
// Each viewer is a socket on the epoll of a worker process and some hundred bytes; there is no
// goroutine and no buffer per viewer, so that the generator costs less than what it measures. A
// worker holds at most Config.PerWorker viewers, since a process may open only so many files; there
// are as many workers as that asks for, each from a loopback address of its own (127.0.1.1,
// 127.0.1.2, ...), so that ports suffice.
//
//   - Latency: from the moment in the event's mark to the moment its bytes were read, in
//     HdrHistograms that are merged over workers. Both clocks have to be one: publish from the
//     machine the swarm runs on.
//   - Loss and repeats: every viewer checks every event. A mark carries the number of its stream
//     and counts from 1 in it; a number left out was missed, a number not above the last one was
//     repeated. Cursors must rise. Check compares the last numbers with what was published.
//   - Prices: of each key the last value, at the end compared with what was published; a value
//     older than the one before counts as Backwards.
//   - Returns: Cut ends all connections at once, Return brings them back with their cursors.
//   - The server's CPU time and memory, from /proc, by process id.
//
// # Marks
//
// An event that is to be checked has somewhere in its JSON
//
//	"swarm":[stream,n,micros]        n counts the stream's events from 1, micros is the time, µs since 1970
//
// and a state
//
//	"odds":[match,key,n,micros]      key counts the match's keys from 0, n the values of the key from 1
//
// and the gate of a match's prices, shut by a goal, what the hub says of it
//
//	"gate":"suspended","reason":"goal","since":ms
//
// Spaces are not allowed in it, since the swarm finds marks without decoding JSON. Real
// events of goalcast, without marks, are checked by their match and "seq", and their latency
// is from "published", in ms.
//
// # Protocols
//
// "goalcast" knows goalcast's frames: a viewer has joined when its hello and one snapshot of each
// topic came. "plain" takes each WebSocket message or SSE event as it is, for other servers (Nchan:
// URL http://host/sub/{n}).
//
// With Config.Deflate viewers offer permessage-deflate as browsers do and unpack what they get with
// all that was said to them before; a message that cannot be unpacked so, or is then no JSON, ends
// the connection as an error. Viewers to whom the same was said share the 32 kB that this takes.
//
// # What to know before sizing a fleet with it
//
// The generator needs CPU as well: on loopback the kernel's part of receiving is charged to the
// sender, the rest takes about as much as half a server core per 100,000 deliveries a second. With
// two cores for both, saturation means both. Give it a machine of its own, with
//
//	ulimit -n, net.ipv4.ip_local_port_range, net.core.somaxconn
//
// as docs/scaling.md has them, and look at Stats.LoopBusy: over 0.8 the generator is the limit, and
// its latencies are its own.
package swarm
