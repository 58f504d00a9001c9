// Package identity says who somebody is: whoever shows a token that a configured issuer vouches
// for. It knows OpenID Connect (JWTs whose keys the issuer publishes; Firebase is one such issuer)
// and introspection (RFC 7662: opaque tokens, for which the issuer is asked).
//
// A Verifier is shared by all requests. Its keys and its cache have locks of their own; Run, a
// goroutine of its owner, fetches keys ahead of need.
//
// An issuer that cannot be reached is never a reason to call a token bad: what is known goes on
// being known, and anything else ends in goalcast.ErrUnavailable. No token, claim or secret stands
// in any error, log line or metric.
package identity
