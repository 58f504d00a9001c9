// Package stream takes odds in goalcast's own line format from anybody: as a Source that connects
// to a provider, or to a relay of one, by WebSocket, SSE or chunked JSON over HTTP, and as the Feed
// behind POST /feeds/odds. docs/odds.md describes the format.
//
// What could not be understood may have been a suspension. So an unreadable line shuts what it may
// have been about: the event that it names, else all that its connection has told of.
//
// A Source belongs to the goroutine of its Run. A Feed is shared by Run and the requests: what they
// share is guarded by its mu, under which the sink is told, so by one goroutine at a time. Reading
// lines is pure.
package stream
