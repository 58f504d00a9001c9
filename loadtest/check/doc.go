// Package check notes everything that goalcast tells during a run, by every way that it has, and
// holds what was noted against named invariants: nothing lost, nothing twice, nothing out of order,
// no price that is void, no push too many (Invariants lists them). What it knows of goalcast is
// docs/wire.md and the reducer, and no more.
//
//	h, err := check.New(file, check.Limits{PushWithin: time.Minute})     // file "": in memory only
//	v := check.NewViewer(h, "websocket at a", base, check.WebSocket, topics...)
//	v.Join()                       // stays connected, comes back with its cursor after every cut
//	v.Move(otherBase)              // where it connects next; v.Cut() ends a connection for good
//	h.Ask(ctx, "rest", base, matches...)                                 // snapshots, over REST
//	h.Phone(token, matches...)     // a phone that follows matches, and what it was sent:
//	fake := &fcmtest.Server{Deliver: func(d fcmtest.Delivery) { h.Push(...) }}
//	h.Told(truths...)              // what is true in the end, when all viewers have heard of it
//	for _, v := range h.Check() { t.Error(v) }
//
// A History that was written to a file is read again by Read, and checked again by
//
//	go run ./loadtest/check/cmd/check FILE
//
// so that a run that has failed can be looked at for as long as one likes.
//
// A History is safe for concurrent use, as is a Viewer. Checking is pure: one note after the other
// goes through what its recorder knows so far (account) and through each invariant.
package check
