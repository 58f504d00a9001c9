package notify

import (
	"cmp"
	"slices"
	"time"

	"goalcast"
)

// What users ask for is rounded, so that those who ask for much the same share their batches.
const (
	delayStep = 15 * time.Second // of delays, up
	holdStep  = 5 * time.Minute  // of the end of quiet hours, up
)

// Why a device gets no push, or not at once, because its user wants it so.
const (
	heldOff     = "off"        // the kind is switched off, or not on
	heldDelayed = "delayed"    // it waits for the user's delay
	heldQuiet   = "held"       // it waits for the end of quiet hours
	heldDropped = "dropped"    // it would be too old then
	heldUndone  = "taken_back" // it waited, and does not count any more
)

var heldReasons = []string{heldOff, heldDelayed, heldQuiet, heldDropped, heldUndone}

// way is how a device gets a push. The zero value is at once, with sound and score.
type way struct {
	service  string        // push service: see PushBatch
	late     bool          // after all others: see PushBatch.Late
	wait     time.Duration // after the push was planned
	delay    time.Duration // that the user wants; the push lives so much longer
	silent   bool
	noScores bool
}

// wayOf says how a device gets a push of a kind that was planned at a time and lives until another;
// ok is false if not at all. reason is why not, or not at once; empty if at once.
func (n *Notifier) wayOf(p *goalcast.Preferences, kind goalcast.PushKind, planned, expires time.Time) (w way,
	reason string, ok bool) {
	if p == nil {
		p = &goalcast.Preferences{}
	}
	if !p.Wants(kind) {
		return w, heldOff, false
	}
	w.noScores = p.Spoilers.NoScores
	w.delay = up(time.Duration(p.Spoilers.Delay)*time.Second, delayStep)
	if w.wait = w.delay; w.wait > 0 {
		reason = heldDelayed
	}
	if p.Quiet == nil {
		return w, reason, true
	}
	until := p.Quiet.Until(planned.Add(w.wait), n.zone(p.Quiet.Zone))
	switch {
	case until.IsZero():
		return w, reason, true
	case !p.Quiet.Hold:
		w.silent = true
		return w, reason, true
	}
	w.wait = up(time.Duration(until.UnixNano()), holdStep) - time.Duration(planned.UnixNano())
	if planned.Add(w.wait).Before(expires.Add(w.delay)) {
		return w, heldQuiet, true
	}
	return w, heldDropped, false
}

// up rounds a duration up to a multiple of a step.
func up(d, step time.Duration) time.Duration { return (d + step - 1) / step * step }

// zone is a time zone by its name; the installation's own where there is none of that name any
// more.
func (n *Notifier) zone(name string) *time.Location {
	if known, ok := n.zones.Load(name); ok {
		return known.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = n.cfg.Zone
	}
	n.zones.Store(name, zone)
	return zone
}

// withheld counts devices that get no push, or not at once, because their user wants it so; by
// reason.
type withheld map[string]int

func (n *Notifier) withheld(w withheld) {
	for reason, devices := range w {
		n.metrics.withheld.WithLabelValues(reason).Add(float64(devices))
	}
}

// sorted divides a part of an audience by the way that devices get a push: those that get it at
// once first, and of those that get it at the same time those that got one before.
func (n *Notifier) sorted(r *goalcast.PushRecord, p audiencePart) (ways []way, devices map[way][]int64, kept withheld) {
	kind := onPhones(*r).User
	devices, kept = map[way][]int64{}, withheld{}
	for i, all := range [][]goalcast.Recipient{p.recipients, p.late} {
		for _, recipient := range all {
			if p.listening[recipient.Device] {
				continue
			}
			w, reason, ok := n.wayOf(recipient.Preferences, kind, r.Shown, r.Expires)
			if reason != "" {
				kept[reason]++
			}
			if !ok {
				continue
			}
			w.late, w.service = i > 0, n.services.nameOf(recipient.Carrier)
			if devices[w] == nil {
				ways = append(ways, w)
			}
			devices[w] = append(devices[w], recipient.Device)
		}
	}
	order := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	slices.SortFunc(ways, func(a, b way) int {
		return cmp.Or(cmp.Compare(a.wait, b.wait), cmp.Compare(order(a.late), order(b.late)),
			cmp.Compare(order(a.silent), order(b.silent)), cmp.Compare(order(a.noScores), order(b.noScores)),
			cmp.Compare(a.delay, b.delay), cmp.Compare(a.service, b.service))
	})
	return ways, devices, kept
}

// undone counts the devices of a batch that waited and is not sent.
func (n *Notifier) undone(c goalcast.PushClaim, reason string) {
	if c.Attempt > 1 || !c.Batch.Waits() {
		return
	}
	switch reason {
	case "cancelled":
		n.withheld(withheld{heldUndone: len(c.Devices)})
	case "expired":
		n.withheld(withheld{heldDropped: len(c.Devices)})
	}
}
