// Package eventlog writes the lines of the log by which an event is followed through all processes:
// whoever takes it a step further says so, with the same keys. It is pure: nobody owns anything
// here.
package eventlog

import (
	"context"
	"log/slog"

	"goalcast"
)

// The keys that lines about an event have in common; docs/operations.md names them to operators.
const (
	Document = "document" // its number in the archive
	Match    = "match"
	Event    = "event" // its id
	Revision = "revision"
)

// Step logs that a revision of an event went a step further. more are keys and values, as slog has
// them. A level that is not logged costs nothing but the look at it, if more is empty.
func Step(ctx context.Context, log *slog.Logger, level slog.Level, step string, e *goalcast.Event, more ...any) {
	if !log.Enabled(ctx, level) {
		return
	}
	keys := append(make([]any, 0, 6+len(more)), Match, e.Match, Event, e.ID, Revision, e.Revision)
	log.Log(ctx, level, step, append(keys, more...)...)
}

// Applied is the level at which it is said that an event was made: those of a match as it is played
// are told to operators; lists of fixtures by the thousand are not, nor the goals of the canary.
func Applied(e *goalcast.Event) slog.Level {
	if e.Kind.Info().Place == goalcast.PlaceFixture || e.Match == goalcast.CanaryMatch {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
