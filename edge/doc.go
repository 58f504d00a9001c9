// Package edge carries the bus from a hub to hubs elsewhere: in a partner's data centre, in a
// region without Redis. Server is the side of the hub that has the bus, Client what another hub
// takes for its bus and its database.
//
// An edge opens one WebSocket, GET /edge/v1/bus?after=CURSOR, and asks for matches over HTTP beside
// it. Each message is lines of text; each line is a letter, and what belongs to it:
//
//	c CURSOR        the stream goes on after the cursor, which is the one that was asked for
//	r CURSOR        it does not: goalcast.Listener's Reset
//	e CURSOR EVENT  an event, as it is on the bus
//	n CURSOR        an event that an edge is not told: only its place
//	l               all up to now was told; Stale(false)
//	q               the bus is silent; Stale(true)
//	b CURSOR        alive, and that was the last event; at least once a second
//	v STATE         a new value of a topic that the edge follows
//	a TOPIC STATES  all values of such a topic
//
// and from the edge
//
//	+TOPIC, -TOPIC  follow its states, no longer
//	b               alive
//
// A side passes over lines that it does not know. Cursors are those of the bus, so a viewer goes on
// with them at any hub, edge or not.
//
// What only some viewers may see, matches of private competitions, is not told to edges, which do
// not know their viewers.
//
// Server is guarded by one mutex. A session, one per edge, has a goroutine that writes and one that
// reads. Client has two: one holds the connection, one watches for silence; a lock makes them take
// turns at the listener.
package edge
