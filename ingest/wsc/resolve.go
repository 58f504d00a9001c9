package wsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"goalcast"
	"goalcast/ingest/merge"
)

// preGame is how long before kick-off a clip of a coming match may be made, early how long before
// the planned kick-off one of a running match: it may begin early, and clocks differ.
const (
	preGame = 48 * time.Hour
	early   = 10 * time.Minute
)

// resolve finds the match that the clip is of, and the team it shows where only words tell it.
// A match id that WSC tells is believed if there is such a match. Without one it is a match
// that was on when the clip was made and whose teams the clip names. 0 if there is none, or
// several are as likely.
func (c *Clips) resolve(ctx context.Context, k clip, received time.Time) (goalcast.MatchID, goalcast.TeamID, error) {
	if k.Match != 0 {
		m, err := c.store.Match(ctx, k.Match)
		switch {
		case err == nil:
			return m.ID, teamOf(m, k), nil
		case errors.Is(err, goalcast.ErrNotFound):
			return 0, 0, nil // its fixture will come
		}
		return 0, 0, fmt.Errorf("match of clip %s: %w", k.ID, err)
	}
	made := k.Made
	if made.IsZero() {
		made = received
	}
	filter := goalcast.MatchFilter{From: made.Add(-c.cfg.ResolveWindow), To: made.Add(early)}
	if k.PreGame {
		filter.From, filter.To = made, made.Add(preGame)
	} else if k.PostGame {
		filter.From = filter.From.Add(-c.cfg.ResolveWindow) // a summary takes its time
	}
	matches, err := c.store.Matches(ctx, filter)
	if err != nil {
		return 0, 0, fmt.Errorf("match of clip %s: %w", k.ID, err)
	}
	m, ok := matchOf(matches, k, made)
	if !ok {
		return 0, 0, nil
	}
	return m.ID, teamOf(m, k), nil
}

// matchOf chooses the match that fits the clip's words best; false where none fits
// or several do equally.
func matchOf(matches []goalcast.Snapshot, k clip, made time.Time) (goalcast.Snapshot, bool) {
	best, fits := 0, []goalcast.Snapshot(nil)
	for _, m := range matches {
		// A clip of minute 80 is not of a match that began an hour ago.
		if began := m.Kickoff.Add(time.Duration(k.Minute) * time.Minute); k.Minute > 0 &&
			made.Before(began.Add(-early)) {
			continue
		}
		n := named(m, k)
		if n > best {
			best, fits = n, nil
		}
		if n > 0 && n == best {
			fits = append(fits, m)
		}
	}
	if len(fits) > 1 && k.Goal && k.Minute > 0 {
		// Several are named alike: only one may have had such a goal.
		fits = slices.DeleteFunc(fits, func(m goalcast.Snapshot) bool { return !hasGoal(m, k) })
	}
	if len(fits) != 1 {
		return goalcast.Snapshot{}, false
	}
	return fits[0], true
}

func hasGoal(m goalcast.Snapshot, k clip) bool {
	clipEvent := k.fact(m.ID, false)
	clipEvent.Team = teamOf(m, k)
	clipEvent.SetClock()
	goals := slices.DeleteFunc(slices.Clone(m.Timeline), func(e goalcast.Event) bool {
		return e.Kind != goalcast.KindGoal
	})
	_, ok := merge.GoalOfClip(clipEvent, goals)
	return ok
}

// named says how surely the clip names the match's teams: by id, by a label, by a word in its
// title; more for both teams than for one. 0 is not at all.
func named(m goalcast.Snapshot, k clip) (n int) {
	for _, team := range []goalcast.Team{m.Home, m.Away} {
		switch {
		case k.Team != 0 && team.ID == k.Team:
			n += 4
		case saidIn(k.hints, team.Name, true):
			n += 3
		case saidIn(k.prose, team.Name, false):
			n += 2
		}
	}
	return n
}

// teamOf is the side that the clip is of: WSC's id if it is one of the two, else the one that its
// labels name, if they name only one.
func teamOf(m goalcast.Snapshot, k clip) goalcast.TeamID {
	if k.Team != 0 && (k.Team == m.Home.ID || k.Team == m.Away.ID) {
		return k.Team
	}
	home, away := saidIn(k.hints, m.Home.Name, true), saidIn(k.hints, m.Away.Name, true)
	switch {
	case home && !away:
		return m.Home.ID
	case away && !home:
		return m.Away.ID
	}
	return 0
}

// saidIn says whether a text names the team: the whole name stands in it, or, where short ones
// count, it is a part of the name that says more than "FC".
func saidIn(texts []string, team string, short bool) bool {
	name := words(team)
	if len(name) == 0 {
		return false
	}
	for _, t := range texts {
		said := words(t)
		if len(said) > 0 && (contains(said, name) || short && contains(name, said)) {
			return true
		}
	}
	return false
}

// words takes a name apart: lower case, no accents, and without what half of all clubs are called.
func words(s string) []string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return slices.DeleteFunc(strings.Fields(b.String()), func(w string) bool {
		switch w {
		case "fc", "afc", "cf", "sc", "ac", "as", "sv", "kv", "krc", "rc", "kaa", "rsc", "kvc", "sk", "fk", "bk", "if",
			"vv", "the", "de":
			return true
		}
		return false
	})
}

// contains says whether the words of part stand together in all.
func contains(all, part []string) bool {
	for i := 0; i+len(part) <= len(all); i++ {
		if slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
