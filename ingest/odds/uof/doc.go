// Package uof reads Sportradar's Unified Odds Feed: messages in XML over AMQP, and an HTTP API that
// is asked for what was missed.
//
// The feed has several producers of odds (live odds, odds before the match, ...). A producer's
// prices are trusted from the snapshot_complete that ends a recovery which we asked for after its
// alive messages came, until they do not come or say that we are not subscribed. All markets of a
// producer that is not trusted are suspended.
//
// The goroutine that calls Source.Run owns everything: connection, producers and book. Calls to the
// HTTP API run beside it and hand what they bring back to it. producer.go (recovery), book.go
// (markets), message.go (XML) and keys.go (names) are pure: no I/O, no clock.
package uof
