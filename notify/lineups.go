package notify

import (
	"cmp"
	"context"
	"slices"
	"time"

	"goalcast"
)

// decideLineups says whether the line-ups of a match are pushed now: once, when both are known for
// the first time, and only before kick-off. Corrections to them are no news. The record is the
// match's (goalcast.Event.PushID), whichever team's line-up came last; nothing is noted in it
// before that push, since a match may get another date and other line-ups.
func (n *Notifier) decideLineups(rec goalcast.PushRecord, e goalcast.Event, match goalcast.Snapshot,
	now time.Time) (verdict, error) {
	switch {
	case rec.Revision > 0:
		return verdict{record: rec, reason: "told_already"}, nil
	case n.cfg.wanted(e) == "" || !starts(match.Lineups, match.Home) || !starts(match.Lineups, match.Away):
		return verdict{record: rec}, nil
	case !awaited(match) || !now.Before(match.Kickoff):
		return verdict{record: rec, reason: "expired"}, nil
	}
	content, fingerprint, err := n.content(rec, factsOf(kindLineups, "", e, match))
	if err != nil {
		return verdict{}, err
	}
	rec.Event, rec.Match, rec.Topics = cmp.Or(rec.Event, e.PushID()), e.Match, e.Topics
	rec.State, rec.Revision, rec.Base, rec.Told = goalcast.RecordShown, 1, 1, 1
	rec.Since, rec.Shown, rec.Print, rec.Content = told(e, now), now, fingerprint, content
	return verdict{record: rec, kind: kindLineups, fresh: true, expires: match.Kickoff}, nil
}

// starts says whether it is known who starts for a team.
func starts(lineups []goalcast.LineupInMatch, team goalcast.Team) bool {
	return slices.ContainsFunc(lineups, func(l goalcast.LineupInMatch) bool {
		return l.Team == team.ID && slices.ContainsFunc(l.Players,
			func(p goalcast.LineupPlayer) bool { return p.Start })
	})
}

// awaited says whether a match is still to begin, on the day that it is planned for.
func awaited(match goalcast.Snapshot) bool { return match.State == goalcast.Scheduled }

// overtaken says whether the match has made old what a claimed batch tells: of line-ups no revision
// of an event does.
func (n *Notifier) overtaken(ctx context.Context, c goalcast.PushClaim, content Content) (bool, error) {
	if content.Kind != kindLineups {
		return false, nil
	}
	match, err := n.store.Match(ctx, c.Record.Match)
	return err == nil && !awaited(match), err
}
