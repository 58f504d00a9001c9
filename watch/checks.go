package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// Texts name times, not spans, so that an alarm's text does not change while it is open.
const clock = "15:04:05 UTC"

func ofMatch(m goalcast.Snapshot, name, format string, args ...any) goalcast.Alarm {
	title := fmt.Sprintf("%s - %s: ", m.Home.Name, m.Away.Name)
	return goalcast.Alarm{Name: name, Match: m.ID, Text: title + fmt.Sprintf(format, args...)}
}

// notStarted: a match that should be on. One that was postponed or abandoned has its reason.
func (w *Watch) notStarted(_ context.Context, r *round) (out []goalcast.Alarm, _ error) {
	for _, m := range r.matches {
		if m.State == goalcast.Scheduled && !m.Kickoff.IsZero() && r.now.Sub(m.Kickoff) >= w.cfg.NotStarted {
			out = append(out, ofMatch(m, fmt.Sprint("not_started:", m.ID),
				"kick-off was planned for %s, and nobody told of it", m.Kickoff.UTC().Format(clock)))
		}
	}
	return out, nil
}

// silent: the ball rolls and no document comes. While the provider itself says that it sees
// nothing, it is not alarmed.
func (w *Watch) silent(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	var ids []goalcast.MatchID
	for _, m := range r.matches {
		if live(m) {
			ids = append(ids, m.ID)
		}
	}
	last, err := w.store.LastDocuments(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, m := range r.matches {
		at, known := last[m.ID]
		if !live(m) || !known || r.now.Sub(at) < w.cfg.Silent {
			// one without documents of its own is told by a fixture list
			continue
		}
		records, err := r.recordsOf(ctx, w.store)
		if err != nil {
			return nil, err
		}
		if w.cfg.Gap == nil || !w.cfg.Gap(records[m.ID]) {
			out = append(out, ofMatch(m, fmt.Sprint("feed_silent:", m.ID), "in play (%s), and no document since %s",
				m.Period, at.UTC().Format(clock)))
		}
	}
	return out, nil
}

// noClip: a goal that counts and that nobody can watch.
func (w *Watch) noClip(_ context.Context, r *round) (out []goalcast.Alarm, _ error) {
	if !w.cfg.Clips {
		return nil, nil
	}
	for _, m := range r.matches {
		all := clips(m)
		for _, e := range m.Timeline {
			if e.Kind != goalcast.KindGoal || e.Status != goalcast.Confirmed ||
				slices.ContainsFunc(all, func(c goalcast.Event) bool {
					return c.Clip.Of == e.ID
				}) {
				continue
			}
			if at := happened(e); !at.IsZero() && r.now.Sub(at) >= w.cfg.NoClip {
				out = append(out, ofMatch(m, "no_clip:"+e.ID, "no clip of the goal in minute %s (%s)", e.Clock, e.ID))
			}
		}
	}
	return out, nil
}

// clipFailed: clips that were given up. It closes when a better cut or a replay begins them
// again, and after Back.
func (w *Watch) clipFailed(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	failed, err := w.store.FailedClips(ctx, r.now.Add(-w.cfg.Back))
	for _, c := range failed {
		out = append(out, goalcast.Alarm{Name: "clip_failed:" + c.ID, Match: c.Match,
			Text: fmt.Sprintf("clip %s %q was given up: %s", c.ID, c.Title, c.Error)})
	}
	return out, err
}

// happened is when an event happened, or else when we were told.
func happened(e goalcast.Event) time.Time {
	if e.At.IsZero() && e.Times.Received > 0 {
		return time.UnixMilli(e.Times.Received).UTC()
	}
	return e.At
}

// noSummary: a match is over and there is no video of it.
func (w *Watch) noSummary(_ context.Context, r *round) (out []goalcast.Alarm, _ error) {
	if !w.cfg.Clips {
		return nil, nil
	}
	for _, m := range r.matches {
		if m.State != goalcast.Finished || slices.ContainsFunc(clips(m), func(c goalcast.Event) bool {
			return c.Clip.Of == ""
		}) {
			continue
		}
		ended := m.Started // of the period "full_time"
		if ended.IsZero() {
			ended = time.UnixMilli(m.Updated)
		}
		if r.now.Sub(ended) >= w.cfg.NoSummary {
			out = append(out, ofMatch(m, fmt.Sprint("no_summary:", m.ID), "over since %s, and there is no summary",
				ended.UTC().Format(clock)))
		}
	}
	return out, nil
}

// disagree: the feeds of a match tell different things, for longer than the slowest of them needs.
func (w *Watch) disagree(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	if w.cfg.Disagreements == nil || len(r.matches) == 0 {
		return nil, nil
	}
	records, err := r.recordsOf(ctx, w.store)
	if err != nil {
		return nil, err
	}
	for _, m := range r.matches {
		rec, ok := records[m.ID]
		if !ok {
			continue
		}
		var names, texts []string
		for _, d := range w.cfg.Disagreements(rec) {
			if r.now.Sub(d.Since) >= w.cfg.Disagree && !slices.Contains(names, d.Name) {
				names, texts = append(names, d.Name), append(texts, d.Text)
			}
		}
		for i, name := range names {
			out = append(out, ofMatch(m, fmt.Sprintf("disagreement:%d:%s", m.ID, name), "%s", texts[i]))
		}
	}
	return out, nil
}

// held: a document takes back what does not come to be taken back in football.
func (w *Watch) held(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	if w.cfg.Held == nil || len(r.matches) == 0 {
		return nil, nil
	}
	records, err := r.recordsOf(ctx, w.store)
	if err != nil {
		return nil, err
	}
	for _, m := range r.matches {
		if text := w.cfg.Held(records[m.ID]); text != "" {
			out = append(out, ofMatch(m, fmt.Sprint("step_held:", m.ID), "%s", text))
		}
	}
	return out, nil
}

// ahead is how much a provider's clock may be ahead of ours: no document can
// come before it was made.
const ahead = 2 * time.Second

// enoughTimes is how many revisions of a provider it takes to judge its clock, and
// recent how old they may be.
const (
	enoughTimes = 3
	recent      = 30 * time.Minute
)

// clockSkew compares when providers made the documents that brought news with when they came. The
// quickest way counts: one slow document says nothing.
func (w *Watch) clockSkew(_ context.Context, r *round) (out []goalcast.Alarm, _ error) {
	quickest, count := map[string]time.Duration{}, map[string]int{}
	for _, m := range r.matches {
		for _, e := range m.Timeline {
			provider, _, ok := strings.Cut(e.ID, ":")
			if t := e.Times; !ok || provider == "match" || t.Provider == 0 || t.Received == 0 ||
				r.now.Sub(time.UnixMilli(t.Received)) > recent {
				continue
			}
			way := time.Duration(e.Times.Received-e.Times.Provider) * time.Millisecond
			if count[provider]++; count[provider] == 1 || way < quickest[provider] {
				quickest[provider] = way
			}
		}
	}
	for provider, way := range quickest {
		a := goalcast.Alarm{Name: "clock_skew:" + provider}
		switch {
		case count[provider] < enoughTimes:
			continue
		case way < -min(ahead, w.cfg.ClockSkew):
			a.Text = fmt.Sprintf("documents of %s are dated in our future: its clock or ours is wrong", provider)
		case way > w.cfg.ClockSkew:
			a.Text = fmt.Sprintf("documents of %s are more than %s old when they come: its clock or ours is wrong, "+
				"or the way is blocked", provider, w.cfg.ClockSkew)
		default:
			continue
		}
		out = append(out, a)
	}
	return out, nil
}

// unreadable: documents that could not be understood. It closes when they were replayed with
// success, or after a day.
func (w *Watch) unreadable(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	failed, err := w.store.FailedFeeds(ctx, r.now.Add(-w.cfg.Unreadable))
	for _, f := range failed {
		noun := "documents"
		if f.Documents == 1 {
			noun = "document"
		}
		out = append(out, goalcast.Alarm{Name: fmt.Sprintf("unreadable:%s/%s", f.Provider, f.Feed),
			Text: fmt.Sprintf("%d %s of %s %s cannot be understood, the newest is %d", f.Documents, noun, f.Provider,
				f.Feed, f.Newest)})
	}
	return out, err
}

// queueLag: tasks wait in a queue, or documents that were kept are not worked on. That Redis is
// away is another alarm's business (readiness, bus).
func (w *Watch) queueLag(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	old, err := w.store.UnfinishedDocuments(ctx, r.now.Add(-w.cfg.QueueLag), 1)
	if err != nil {
		return nil, err
	}
	if len(old) > 0 {
		out = append(out, goalcast.Alarm{Name: "queue_lag:documents",
			Text: fmt.Sprintf("documents are kept and not worked on for more than %s", w.cfg.QueueLag)})
	}
	queues, err := w.queue.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		if q.Oldest >= w.cfg.QueueLag {
			out = append(out, goalcast.Alarm{Name: "queue_lag:" + q.Name,
				Text: fmt.Sprintf("tasks wait in the queue %q for more than %s", q.Name, w.cfg.QueueLag)})
		}
	}
	return out, nil
}

// enoughPeriods is how many periods, at least, a job may go without success: once is no
// reason to wake somebody.
const enoughPeriods = 3

// jobStale: a periodic job is tried and has not succeeded for some time. One that nobody does any
// more, since it was switched off, is no matter.
func (w *Watch) jobStale(ctx context.Context, r *round) (out []goalcast.Alarm, _ error) {
	jobs, err := w.store.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		limit := max(w.cfg.JobStale, enoughPeriods*j.Period)
		tried := j.Owner != "" || r.now.Sub(j.Began) < limit
		if tried && !j.Succeeded.IsZero() && r.now.Sub(j.Succeeded) >= limit {
			out = append(out, goalcast.Alarm{Name: "job_stale:" + j.Name,
				Text: fmt.Sprintf("the job %q, every %s, has not succeeded since %s; GET /admin/queues shows why",
					j.Name, j.Period, j.Succeeded.UTC().Format(time.RFC3339))})
		}
	}
	return out, nil
}
