package goalcast

import (
	"cmp"
	"fmt"
	"maps"
	"time"
)

// PushKind is what a user switches pushes on and off by.
type PushKind string

// The kinds of push, as users know them.
const (
	PushKickoffs  PushKind = "kickoffs"  // a half begins
	PushGoals     PushKind = "goals"     // and those that do not count after all
	PushRedCards  PushKind = "red_cards" // and second yellow ones
	PushResults   PushKind = "results"   // half time, the end of ninety minutes, full time
	PushShootouts PushKind = "shootouts" // one begins; its end is a result
	PushStatus    PushKind = "status"    // delayed, suspended, postponed, abandoned, a new date
	PushPenalties PushKind = "penalties" // given, taken back, missed; where an installation pushes them
	PushMessages  PushKind = "messages"  // an editor's words
	PushLineups   PushKind = "lineups"   // those of both teams are known
	PushClips     PushKind = "clips"     // of goals
	PushSummaries PushKind = "summaries" // a clip of the whole match
)

// PushKindInfo is a kind of push, and whether users who have not chosen get it.
type PushKindInfo struct {
	Kind    PushKind
	Default bool
}

// PushKinds lists all kinds of push.
var PushKinds = []PushKindInfo{
	{PushKickoffs, true},
	{PushGoals, true},
	{PushRedCards, true},
	{PushResults, true},
	{PushShootouts, true},
	{PushStatus, true},
	{PushPenalties, true},
	{PushMessages, true},
	{PushLineups, false},
	{PushClips, true},
	{PushSummaries, true},
}

// Default says whether users who have not chosen get a kind of push; so they do where the kind is
// none that we know.
func (k PushKind) Default() bool {
	for _, info := range PushKinds {
		if info.Kind == k {
			return info.Default
		}
	}
	return true
}

// Known says whether PushKinds has the kind.
func (k PushKind) Known() bool {
	for _, info := range PushKinds {
		if info.Kind == k {
			return true
		}
	}
	return false
}

// Preferences are how a user wants pushes. The zero value is the default.
type Preferences struct {
	Kinds    map[PushKind]bool `json:"kinds,omitempty"` // those that the user has set
	Quiet    *QuietHours       `json:"quiet_hours,omitempty"`
	Spoilers Spoilers          `json:"spoilers,omitzero"`
}

// Spoilers are for users who watch later than it happens.
type Spoilers struct {
	NoScores bool `json:"no_scores"` // texts name neither the score nor who scored
	Delay    int  `json:"delay_s"`   // seconds that a push waits, 0 to MaxDelay
}

// MaxDelay is how long a push may wait for a user's sake, in seconds.
const MaxDelay = 300

// QuietHours are when a user wants no sound, or no pushes, each day.
type QuietHours struct {
	From DayTime `json:"from"`
	To   DayTime `json:"to"`   // not included; before From if it is the next day's
	Zone string  `json:"zone"` // of the IANA database: "Europe/Brussels"
	// Hold keeps pushes back until To, and drops those that are too old then; otherwise they come
	// without a sound.
	Hold bool `json:"hold,omitempty"`
}

// DayTime is a time of day on a wall clock, in minutes. Its JSON and text form is "22:30".
type DayTime int

// ParseDayTime reads "22:30".
func ParseDayTime(text string) (DayTime, error) {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("time of day %.20q: want one like 22:30", text)
	}
	return DayTime(t.Hour()*60 + t.Minute()), nil
}

func (d DayTime) String() string { return fmt.Sprintf("%02d:%02d", d/60, d%60) }

// MarshalText makes a time of day a string in JSON.
func (d DayTime) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDayTime for JSON.
func (d *DayTime) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDayTime(string(text))
	return err
}

// Until is when quiet hours end that t is in; the zero time if it is in none. The zone is the one
// that q names.
func (q QuietHours) Until(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	now := DayTime(local.Hour()*60 + local.Minute())
	year, month, day := local.Date()
	switch {
	case q.From <= q.To && (now < q.From || now >= q.To), now < q.From && now >= q.To:
		return time.Time{}
	case now >= q.To:
		day++
	}
	end := time.Date(year, month, day, int(q.To)/60, int(q.To)%60, 0, 0, zone)
	// where the clock is put back, the time may come twice, and Date may have either
	for _, other := range []time.Time{end.Add(-time.Hour), end, end.Add(time.Hour)} {
		if wall := other.In(zone); other.After(t) && wall.Hour()*60+wall.Minute() == int(q.To) {
			return other
		}
	}
	return end // where it is put forward, it does not come at all
}

// FollowPreferences are how a user wants the pushes of one thing that he follows. What they leave
// out is as in the user's Preferences.
type FollowPreferences struct {
	Kinds    map[PushKind]bool `json:"kinds,omitempty"`
	Spoilers *Spoilers         `json:"spoilers,omitempty"`
}

// IsZero says whether nothing is set.
func (f FollowPreferences) IsZero() bool { return len(f.Kinds) == 0 && f.Spoilers == nil }

// UserPreferences are all that a user has set.
type UserPreferences struct {
	Preferences
	Follows map[Topic]FollowPreferences `json:"follows,omitempty"`
}

// IsZero says whether nothing is set.
func (u UserPreferences) IsZero() bool {
	return len(u.Kinds) == 0 && u.Quiet == nil && u.Spoilers == Spoilers{} && len(u.Follows) == 0
}

// OptsIn says whether any kind of push is switched on, for all or for one follow, that is off by
// default.
func (u UserPreferences) OptsIn() bool {
	if optsIn(u.Kinds) {
		return true
	}
	for _, f := range u.Follows {
		if optsIn(f.Kinds) {
			return true
		}
	}
	return false
}

func optsIn(kinds map[PushKind]bool) bool {
	for kind, on := range kinds {
		if on && !kind.Default() {
			return true
		}
	}
	return false
}

// Wants says whether the user gets a kind of push.
func (p Preferences) Wants(k PushKind) bool {
	on, set := p.Kinds[k]
	if !set {
		return k.Default()
	}
	return on
}

// nearness orders topics by how closely somebody who follows them follows a match.
func nearness(k TopicKind) int {
	switch k {
	case MatchTopic:
		return 3
	case TeamTopic:
		return 2
	case CompetitionTopic:
		return 1
	}
	return 0
}

// For is how the user wants the pushes of an event, by those of its topics that the user follows.
// The closest one decides: the match, before its teams, before the competition. Who follows both
// teams gets what either is to bring, and is spared what either spares.
func (u UserPreferences) For(followed []Topic) Preferences {
	closest := 0
	for _, t := range followed {
		closest = max(closest, nearness(t.Kind))
	}
	var out Preferences
	first := true
	for _, t := range followed {
		if nearness(t.Kind) < closest {
			continue
		}
		p := u.with(u.Follows[t])
		if first {
			out, first = p, false
			continue
		}
		kinds := maps.Clone(out.Kinds)
		if kinds == nil {
			kinds = map[PushKind]bool{}
		}
		for _, info := range PushKinds {
			if on := out.Wants(info.Kind) || p.Wants(info.Kind); on != out.Wants(info.Kind) {
				kinds[info.Kind] = on
			}
		}
		out.Kinds = kinds
		out.Spoilers.NoScores = out.Spoilers.NoScores || p.Spoilers.NoScores
		out.Spoilers.Delay = max(out.Spoilers.Delay, p.Spoilers.Delay)
	}
	if first {
		return u.Preferences
	}
	return out
}

// with is the user's preferences where f leaves something out.
func (u UserPreferences) with(f FollowPreferences) Preferences {
	p := u.Preferences
	if len(f.Kinds) > 0 {
		p.Kinds = maps.Clone(p.Kinds)
		if p.Kinds == nil {
			p.Kinds = map[PushKind]bool{}
		}
		maps.Copy(p.Kinds, f.Kinds)
	}
	p.Spoilers = *cmp.Or(f.Spoilers, &p.Spoilers)
	return p
}

// Merge is u with what o has set besides: what u has set stays.
func (u UserPreferences) Merge(o UserPreferences) UserPreferences {
	if (UserPreferences{Preferences: u.Preferences}).IsZero() {
		u.Preferences = o.Preferences
	}
	follows := maps.Clone(o.Follows)
	if follows == nil {
		return u
	}
	maps.Copy(follows, u.Follows)
	u.Follows = follows
	return u
}

// Recipient is a device of somebody who follows a topic of an event.
type Recipient struct {
	Device      int64
	Carrier     string       // Device.Carrier, as the store knows it: "" too if it does not
	Preferences *Preferences // of its user for the event; nil for the default
	Via         int64        // set of the event's topics that its user follows: bit 0 is the first
}
