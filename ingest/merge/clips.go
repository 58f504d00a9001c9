package merge

import (
	"cmp"
	"slices"
	"strings"

	"goalcast"
)

// clipMinutes is how far the minutes of a clip and of the goal it shows may lie apart: those who
// cut and those who watch the match do not count alike.
const clipMinutes = 2

// mergeClip lays what the sources say over each other, the most trusted last: where it plays is for
// the player to say, all else for the cutter. A clip that the player has is not played from
// anywhere else, and its version is that of the cut which plays there: a better one has its turn
// when it can be watched.
func mergeClip(said []statement) *goalcast.Clip {
	var out goalcast.Clip
	said = slices.SortedFunc(slices.Values(said), func(a, b statement) int {
		return fieldOther.compare(b.series, a.series)
	})
	for _, s := range said {
		c := s.fact.said.Clip
		if c == nil {
			continue
		}
		version := cmp.Or(c.Version, out.Version)
		if c.Video != "" {
			version = c.Version
		}
		out = goalcast.Clip{
			Of: cmp.Or(c.Of, out.Of), Version: version, Title: cmp.Or(c.Title, out.Title),
			Account: cmp.Or(c.Account, out.Account), Video: cmp.Or(c.Video, out.Video), URL: cmp.Or(c.URL, out.URL),
			Thumbnail: cmp.Or(c.Thumbnail, out.Thumbnail), Poster: cmp.Or(c.Poster, out.Poster),
			Seconds: cmp.Or(c.Seconds, out.Seconds),
			Summary: c.Summary || out.Summary, Include: longer(c.Include, out.Include),
			Exclude: longer(c.Exclude, out.Exclude),
		}
	}
	if out.Video != "" {
		out.URL = ""
	}
	return &out
}

// longer prefers a list that says anything.
func longer(a, b []string) []string {
	if len(a) == 0 && len(b) == 0 {
		return nil
	} else if len(a) == 0 {
		return b
	}
	return a
}

// clipOfGoal says whether any source knows that the clip shows a goal.
// settleClips takes it off again.
func clipOfGoal(said []statement) *goalcast.Goal {
	return best(fieldOther, said, func(e *goalcast.Event) *goalcast.Goal { return e.Goal })
}

// settleClips ends the merging of clips, once all other events are known: a clip that shows a goal
// is tied to it, and is cancelled while that is; one that cannot be played yet is left out, unless
// it was taken back; and of several summaries the newest stands.
func (f memory) settleClips(events map[string]goalcast.Event) {
	var summary string
	for id, e := range events {
		if e.Kind != goalcast.KindClip {
			continue
		}
		if e.Counts() && e.Clip.Video == "" && e.Clip.URL == "" {
			delete(events, id)
			continue
		}
		e = linkClip(e, events)
		events[id] = e
		if e.Clip.Summary && e.Counts() && (summary == "" || f.newer(id, summary)) {
			summary = id
		}
	}
	for id, e := range events {
		if e.Kind != goalcast.KindClip {
			continue
		}
		if e.Clip.Summary && e.Counts() && id != summary {
			e.Status = goalcast.Cancelled
			events[id] = e
		}
		if !e.Counts() {
			e.Clip.Account, e.Clip.Video, e.Clip.URL = "", "", "" // nobody is to play it
		}
	}
}

// linkClip ties a clip to the goal it shows, if exactly one fits.
func linkClip(e goalcast.Event, events map[string]goalcast.Event) goalcast.Event {
	showsGoal := e.Goal != nil
	e.Goal = nil
	if e.Clip.Summary {
		return e
	}
	goal, found := events[e.Clip.Of]
	if e.Clip.Of == "" && showsGoal {
		var goals []goalcast.Event
		for _, g := range events {
			if g.Kind == goalcast.KindGoal {
				goals = append(goals, g)
			}
		}
		goal, found = GoalOfClip(e, goals)
	}
	if !found {
		return e
	}
	// What it shows is known better now, and the clip stands beside it in the timeline.
	e.Clip.Of = goal.ID
	e.Team, e.Player, e.Period, e.Minute, e.Second = goal.Team, goal.Player, goal.Period, goal.Minute, goal.Second
	e.SetClock()
	if !goal.Counts() {
		e.Status = goalcast.Cancelled
	}
	return e
}

// GoalOfClip finds the one goal that a clip with a minute can be of, by minute, team and player, as
// far as the clip knows them. A goal that was taken back is only meant where no other is. False
// where none fits, or several do.
func GoalOfClip(clip goalcast.Event, goals []goalcast.Event) (goalcast.Event, bool) {
	if clip.Minute <= 0 {
		return goalcast.Event{}, false
	}
	var fit []goalcast.Event
	for _, g := range goals {
		apart := g.Minute - clip.Minute
		if apart >= -clipMinutes && apart <= clipMinutes && (clip.Team == 0 || g.Team == clip.Team) &&
			samePeriod(clip, g) {
			fit = append(fit, g)
		}
	}
	narrow := func(keep func(goalcast.Event) bool) {
		some := slices.DeleteFunc(slices.Clone(fit), func(g goalcast.Event) bool { return !keep(g) })
		if len(some) > 0 {
			fit = some
		}
	}
	if clip.Player != nil {
		narrow(func(g goalcast.Event) bool { return g.Player != nil && g.Player.ID == clip.Player.ID })
	}
	narrow(goalcast.Event.Counts)
	if len(fit) != 1 {
		return goalcast.Event{}, false
	}
	return fit[0], true
}

// samePeriod compares the periods where both are in added time or not known; else the
// minutes have said all.
func samePeriod(clip, goal goalcast.Event) bool {
	return clip.Period == "" || goal.Period == "" || clip.Period == goal.Period || !strings.Contains(clip.Clock, "+")
}

// newer says whether the newest statement on the first event is newer than that on the second, by
// whoever cut them; then the id decides.
func (f memory) newer(a, b string) bool {
	told := func(id string) (at Version) {
		for _, s := range f.series {
			if fact, ok := s.facts[id]; ok && !s.Plays && fact.at.Compare(at) > 0 {
				at = fact.at
			}
		}
		return at
	}
	return cmp.Or(told(a).Compare(told(b)), strings.Compare(a, b)) > 0
}
