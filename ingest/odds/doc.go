// Package odds turns what providers of odds tell into the prices that viewers see: fresh, or not
// shown. Sources (ingest/odds/betfair, uof, stream) speak the providers' languages and tell a Sink.
package odds
