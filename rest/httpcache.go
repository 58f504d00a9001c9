package rest

import (
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// policy is how long an answer may be kept: by everybody for age, and by a CDN for another span
// while it asks for a newer one, or while we have nothing but errors. It has whole seconds.
type policy struct{ age, revalidate, onError time.Duration }

// field is Cache-Control.
func (p policy) field() []string {
	if field, ok := policyFields[p]; ok {
		return field
	}
	return []string{p.String()}
}

func (p policy) String() string {
	text := fmt.Sprintf("public, max-age=%d, s-maxage=%[1]d", p.age/time.Second)
	if p.revalidate > 0 {
		text += fmt.Sprintf(", stale-while-revalidate=%d", p.revalidate/time.Second)
	}
	if p.onError > 0 {
		text += fmt.Sprintf(", stale-if-error=%d", p.onError/time.Second)
	}
	return text
}

// within cuts a policy so that nothing is kept for longer than a span.
func (p policy) within(span time.Duration) policy {
	span = max(span, 0).Truncate(time.Second)
	p.age = min(p.age, span)
	p.revalidate, p.onError = min(p.revalidate, span-p.age), min(p.onError, span-p.age)
	return p
}

// Policies by how soon an answer can change. The CDN's share, s-maxage with stale-while-revalidate,
// has it ask us once a second per URL in play, however many fans there are.
var (
	cacheLive    = policy{time.Second, 5 * time.Second, ourAbsence}
	cachePlanned = policy{10 * time.Second, 30 * time.Second, ourAbsence}
	// corrections come days later, and are in no hurry
	cacheFinished = policy{time.Minute, 10 * time.Minute, ourAbsence}
	cacheFixed    = policy{5 * time.Minute, 0, ourAbsence} // files that are part of the binary
	never         = policy{}                               // whoever serves it says no-store
)

// policyFields are those that most answers have, written once.
var policyFields = map[policy][]string{cacheLive: {cacheLive.String()}, cachePlanned: {cachePlanned.String()},
	cacheFinished: {cacheFinished.String()}, cacheFixed: {cacheFixed.String()}}

// ourAbsence is how long a CDN may go on with what it has while none of our servers answers.
const ourAbsence = 10 * time.Minute

// soon is how long before the planned kick-off a match is served as if it were live: line-ups come,
// and it may start early.
const soon = 90 * time.Minute

// cachePolicy is that of the liveliest match of an answer, and until when it holds. An answer
// without matches may get some when fixtures come in. None is kept over midnight, in now's own
// zone: "today" is another day then.
func cachePolicy(now time.Time, matches ...goalcast.Snapshot) (policy, time.Time) {
	liveliest := cacheFinished
	if len(matches) == 0 {
		liveliest = cachePlanned
	}
	for i := range matches {
		if p := policyOf(&matches[i], now); p.age < liveliest.age {
			liveliest = p
		}
	}
	return liveliest, midnight(now)
}

// midnight is the end of now's day, in its own zone.
func midnight(now time.Time) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, now.Location())
}

// policyOf is that of one match.
func policyOf(m *goalcast.Snapshot, now time.Time) policy {
	switch {
	case m.State == goalcast.Live, m.State == goalcast.Scheduled && !m.Kickoff.IsZero() &&
		now.After(m.Kickoff.Add(-soon)) && now.Before(m.Kickoff.Add(soon)):
		return cacheLive
	case m.State == goalcast.Finished, m.State == goalcast.Abandoned:
		return cacheFinished
	}
	return cachePlanned
}

// matchBody is a match as /v1/matches/{id} serves it. Minute and Clock are of the moment it was
// made.
type matchBody struct {
	goalcast.Snapshot
	Minute int    `json:"minute,omitempty"`
	Clock  string `json:"clock,omitempty"`

	LiveActivity liveActivity `json:"live_activity,omitzero"` // zero in lists
}

// match encodes a whole match. The tag covers all that is said of the match, the minute too: in
// play it changes at most once a minute without an event, so polling each second costs 59 empty
// 304s of 60. It does not cover the cursor, which moves with every event of every match: that is
// where to listen from, not what the match is, and an older one with the same content is just as
// right (in between, nothing happened in this match). The one in the text is up to matchAge old;
// the newest one is in the header of 200 and 304 alike. Whoever serves the answer sets its policy.
func (e *encoder) match(m goalcast.Snapshot, cursor goalcast.Cursor, minute int, live liveActivity) (*answer, error) {
	if m.Timeline == nil {
		m.Timeline = []goalcast.Event{}
	}
	body := matchBody{Snapshot: m, Minute: minute, Clock: goalcast.ClockText(m.Period, minute), LiveActivity: live}
	a, err := e.json(body, cacheLive)
	if err != nil {
		return nil, fmt.Errorf("match %d: %w", m.ID, err)
	}
	if !cursor.IsZero() {
		// a cursor has no character to escape
		a.text = slices.Concat(a.text[:len(a.text)-1], []byte(`,"cursor":"`+cursor.String()+`"}`))
	}
	return a, nil
}

// matchItem is a match in a list: without what makes it long.
type matchItem struct {
	matchBody
	Timeline *struct{} `json:"timeline,omitempty"` // hides Snapshot's
	Lineups  *struct{} `json:"lineups,omitempty"`
}

func matchItems(matches []goalcast.Snapshot, now time.Time, names naming) []matchItem {
	items := make([]matchItem, len(matches))
	for i, m := range matches {
		minute := m.Minute(now)
		items[i].matchBody = matchBody{Snapshot: names.match(m), Minute: minute,
			Clock: goalcast.ClockText(m.Period, minute)}
	}
	return items
}
