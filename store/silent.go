package store

import "context"

type silentKey struct{}

// Silent marks what is committed under the context (UpdateMatch) as being of no concern to phones:
// its outbox rows go to the bus, so that viewers and snapshots follow, and count as planned for
// pushes from the start. Replays and rebuilds run under it.
func Silent(ctx context.Context) context.Context { return context.WithValue(ctx, silentKey{}, true) }

func isSilent(ctx context.Context) bool { return ctx.Value(silentKey{}) != nil }
