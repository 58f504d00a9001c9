package store

import "context"

type quietKey struct{}

// Quiet marks what is committed under the context (UpdateMatch) as being of no concern to phones: its outbox rows go to the bus, so that viewers and
// snapshots follow, and count as planned for pushes from the start. Replays and rebuilds run under it.
func Quiet(ctx context.Context) context.Context { return context.WithValue(ctx, quietKey{}, true) }

func isQuiet(ctx context.Context) bool { return ctx.Value(quietKey{}) != nil }
