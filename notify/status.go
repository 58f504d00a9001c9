package notify

import (
	"slices"
	"strings"
	"time"

	"goalcast"
)

// What a push of kindStatus says. A fixture's statuses replace each other: each other one is news,
// to all followers, whatever was told before.
const (
	statusLate      = "late_start"
	statusSuspended = "suspended"
	statusResumed   = "resumed" // after a suspension that was told
	statusAbandoned = "abandoned"
	statusPostponed = "postponed"
	statusAwarded   = "awarded"  // decided off the pitch
	statusNewDate   = "new_date" // and the date, so that another date is another status
)

// statusEnd ends the status in a fingerprint (PushRecord.Print).
const statusEnd = "|"

// statusIn is the status in a fingerprint; "" if it has none.
func statusIn(fingerprint string) string {
	status, _, ok := strings.Cut(fingerprint, statusEnd)
	if !ok {
		return ""
	}
	return status
}

// statusOf is what a delay or a fixture says of how the match stands; "" for nothing that is
// pushed. Play that only stops is no news: it goes on, or the match is suspended. What no longer
// holds the match up is not told any more.
func statusOf(rec goalcast.PushRecord, e goalcast.Event, match goalcast.Snapshot, now time.Time) string {
	switch {
	case !e.Counts() || e.Match == 0:
		return ""
	case e.Kind == goalcast.KindDelay && e.Delay != nil:
		return delayStatus(e, match)
	case e.Kind != goalcast.KindFixture || e.Fixture == nil:
		return ""
	}
	f := e.Fixture
	wasHalted := rec.State == goalcast.RecordShown || rec.State == goalcast.RecordMuted
	switch {
	case f.Awarded != nil:
		return statusAwarded
	case f.Halted == goalcast.Postponed:
		return statusPostponed
	case f.Halted == goalcast.Abandoned:
		return statusAbandoned
	case wasHalted && f.Halted == "" && f.Kickoff.After(now):
		return statusNewDate + " " + f.Kickoff.UTC().Format(time.RFC3339)
	}
	return ""
}

func delayStatus(e goalcast.Event, match goalcast.Snapshot) string {
	holds := match.Delay != nil && match.Delay.Type == e.Delay.Type
	switch e.Delay.Type {
	case goalcast.Abandonment:
		return statusAbandoned
	case goalcast.LateStart:
		if holds {
			return statusLate
		}
	case goalcast.Suspended:
		if holds {
			return statusSuspended
		}
	case goalcast.Resumed:
		if match.Delay == nil && suspendedBefore(e, match) {
			return statusResumed
		}
	}
	return ""
}

// suspendedBefore says whether the last delay before e was a suspension.
func suspendedBefore(e goalcast.Event, match goalcast.Snapshot) bool {
	suspended := false
	for _, old := range match.Timeline {
		if old.ID != e.ID && old.Kind == goalcast.KindDelay && old.Counts() && old.Delay != nil &&
			goalcast.InMatchOrder(old, e) < 0 {
			suspended = old.Delay.Type == goalcast.Suspended
		}
	}
	return suspended
}

// toldByDelay says whether a fixture that is abandoned tells what an announcement in the match has
// told: that comes first, as a rule.
func toldByDelay(e goalcast.Event, status string, match goalcast.Snapshot) bool {
	return e.Kind == goalcast.KindFixture && status == statusAbandoned && slices.ContainsFunc(match.Timeline,
		func(old goalcast.Event) bool {
			return old.Kind == goalcast.KindDelay && old.Counts() && old.Delay != nil &&
				old.Delay.Type == goalcast.Abandonment
		})
}
