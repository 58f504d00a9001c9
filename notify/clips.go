package notify

import (
	"net/url"
	"slices"
	"time"

	"goalcast"
)

// clipKind is the kind of push that a clip asks for; "" for none: it cannot be played, or not where
// our users are. Of other clips than of goals a match may have dozens.
func (c Config) clipKind(clip *goalcast.Clip) string {
	switch {
	case clip == nil, clip.Video == "" && clip.URL == "", !clip.PlaysIn(c.Country):
		return ""
	case clip.Summary:
		return kindSummary
	case clip.Of != "":
		return kindClip
	}
	return ""
}

// goalOf is the goal that a clip shows; false if it is of something else, or does not count.
func goalOf(clip goalcast.Event, match goalcast.Snapshot) (goalcast.Event, bool) {
	if clip.Clip == nil {
		return goalcast.Event{}, false
	}
	goal, ok := match.Event(clip.Clip.Of)
	return goal, ok && goal.Kind == goalcast.KindGoal && goal.Counts()
}

// repeats says whether another clip of the same, the match or a goal, may have been pushed before:
// a new one takes its place on phones without a sound.
func (c Config) repeats(kind string, clip goalcast.Event, match goalcast.Snapshot) bool {
	return slices.ContainsFunc(match.Timeline, func(old goalcast.Event) bool {
		// one that is taken back in the document that brings the new one has a revision of before
		before := old.Times.Received < clip.Times.Received || old.Revision > 1 && !old.Counts()
		return before && old.Kind == goalcast.KindClip && old.ID != clip.ID && c.clipKind(old.Clip) == kind &&
			old.Clip.Of == clip.Clip.Of
	})
}

// showing makes the facts of a clip those of the goal that it shows.
func (f *facts) showing(goal goalcast.Event) {
	clip := f.event
	f.event, f.score = goal, scoreAt(kindGoal, goal, f.match)
	f.event.ID, f.event.Revision, f.event.At, f.event.Times = clip.ID, clip.Revision, clip.At, clip.Times
	f.event.Clip, f.event.Topics = clip.Clip, clip.Topics
}

// clipTTL is how long after it was made a clip is still pushed.
func clipTTL(Config, goalcast.Period) time.Duration { return 3 * time.Hour }

// maxImage is the longest address of a picture that is pushed, in bytes: a message has room for
// 4096 in all.
const maxImage = 512

// imageOf is the address of the picture that stands for a clip; "" if phones would not load it.
func imageOf(clip *goalcast.Clip) string {
	if clip == nil || len(clip.Thumbnail) > maxImage {
		return ""
	}
	if u, err := url.ParseRequestURI(clip.Thumbnail); err != nil || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return clip.Thumbnail
}
