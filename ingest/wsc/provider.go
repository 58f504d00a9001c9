package wsc

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
)

// Describe tells a document's content type as its feed, and the match where WSC tells Opta's id. It
// only looks for these: the document is parsed when it is read.
func (*Clips) Describe(_ map[string]string, body []byte) (feed string, match goalcast.MatchID) {
	var outer, inner text
	var game entity
	letters.Values(body, maxElements, func(path string, value func() string) bool {
		switch strings.TrimPrefix(path, "content.") {
		case "contenttype":
			outer = text(value())
		case "type":
			inner = text(value())
		case "metadata.game.provider":
			game.Provider = text(value())
		case "metadata.game.providerid":
			game.ProviderID = text(value())
		}
		return true
	})
	return strings.ToUpper(cmp.Or(outer, inner).clean(16)), goalcast.MatchID(game.opta())
}

// Read says which clip a document is of and where it stands in the order of that clip's documents;
// Complete says the rest.
func (*Clips) Read(doc goalcast.Document) (merge.Reading, error) {
	k, err := read(doc)
	if err != nil {
		return merge.Reading{}, err
	}
	return merge.Reading{Source: sourceCutter + k.ID, Version: k.version(digestOf(doc)), Mended: k.mended, Found: k},
		nil
}

func read(doc goalcast.Document) (clip, error) {
	k, err := parse(doc.Body)
	if k.At.IsZero() {
		k.At = doc.Received.UTC()
	}
	k.At = fromMillis(k.At.UnixMilli())
	return k, err
}

func digestOf(doc goalcast.Document) string { return hex.EncodeToString(doc.Digest[:]) }

// Complete finds the match of a document's clip, notes the clip, and adds to the reading what the
// clip is. A document that is older than the newest of its clip adds nothing, one of which the
// match is not known neither: it is looked for again later, by the clip's next steps.
func (c *Clips) Complete(ctx context.Context, doc goalcast.Document, reading merge.Reading) (merge.Reading, error) {
	k, read := reading.Found.(clip)
	if !read {
		return reading, fmt.Errorf("%w: wsc: a reading that is not of Read", goalcast.ErrPermanent)
	}
	reading.Matches = nil
	old, err := c.load(ctx, k.ID)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return reading, err
	}
	if old.order(k, digestOf(doc)) < 0 {
		c.metrics.documents.WithLabelValues("late").Inc()
		return reading, nil
	}
	match, team := old.Match, goalcast.TeamID(0)
	if k.Shown {
		found, side, err := c.resolve(ctx, k, doc.Received)
		if err != nil {
			return reading, err
		}
		match, team = cmp.Or(found, old.Match), side
	}
	var before record
	now, err := c.change(ctx, k.ID, func(r *record) error {
		before = *r
		if r.order(k, digestOf(doc)) < 0 {
			return errSame // a newer one came meanwhile
		}
		c.note(r, k, doc, match)
		return nil
	})
	if err != nil {
		return reading, err
	}
	if now.Digest != digestOf(doc) {
		c.metrics.documents.WithLabelValues("late").Inc()
		return reading, nil
	}
	c.observe(k, before, now)
	if before.Match != 0 && before.Match != now.Match {
		// it is not of that match after all
		reading.Matches = append(reading.Matches, merge.MatchReading{Match: before.Match})
	}
	if now.Match != 0 {
		m := merge.MatchReading{Match: now.Match}
		if k.Shown {
			k.Team = team
			m.Facts = []goalcast.Event{k.fact(now.Match, c.cfg.ShowRendition || c.player == nil)}
		}
		reading.Matches = append(reading.Matches, m)
	}
	return reading, nil
}

// note writes a document into the record and schedules what follows. The same document again
// changes nothing but what could not be done the last time.
func (c *Clips) note(r *record, k clip, doc goalcast.Document, match goalcast.MatchID) {
	was := *r
	if r.First == 0 {
		r.First = doc.Received.UnixMilli()
	}
	r.Event, r.Document, r.At, r.Version, r.Digest = eventID(k.ID,
		match), doc.ID, k.At.UnixMilli(), k.Version, digestOf(doc)
	r.Title, r.Match = cmp.Or(k.Title, r.Title), match
	if k.Shown {
		r.Master = k.Master // a deletion tells none, and what plays may come back
	}
	if was.Digest != r.Digest {
		r.Error, r.Tries = "", 0
	}
	if r.Match != was.Match && r.Playing != "" {
		r.Changed = max(c.now().UnixMilli(), r.Changed+1) // the video is told of again, of another match
	}
	switch {
	case !k.Shown:
		r.State, r.Due = withdrawn, 0
		if r.Video != "" && !r.Hidden {
			c.schedule(r, 0)
		}
	case r.Match == 0:
		c.lookAgain(r)
	case c.player == nil || r.Master == "":
		r.State, r.Due = local, 0
		if r.Video != "" && r.Hidden {
			r.Error = "the video at Brightcove is inactive and there is no file to replace it"
		}
	case r.Playing == r.cut() && !r.Hidden:
		r.State, r.Due = ready, 0
		if r.Told != r.Changed {
			c.schedule(r, 0)
		}
	case was.cut() == r.cut() && (was.State == processing || was.State == waiting):
		// on its way; what was given up is begun again, so that a replay of the document does that
	default:
		if r.State, r.Attempts = waiting, 0; r.Playing == r.cut() {
			r.JobCut = r.cut() // hidden for a while: it only has to be shown again
		}
		c.schedule(r, 0)
	}
}

// lookAgain schedules the next look for a match, or gives up.
func (c *Clips) lookAgain(r *record) {
	r.State = unresolved
	if c.now().Sub(fromMillis(r.First)) > c.cfg.ResolveFor {
		r.State, r.Due, r.Error = failed, 0, "no match was found that it is of, or several"
		return
	}
	r.Tries++
	r.Error = "no match that it is of, or several"
	c.schedule(r, growing(c.cfg.ResolveEvery, 10*c.cfg.ResolveEvery, r.Tries))
}

// observe counts what became of a document.
func (c *Clips) observe(k clip, before, now record) {
	outcome := "shown"
	switch {
	case k.Deleted:
		outcome = "deleted"
	case !k.Shown:
		outcome = "draft"
	case now.State == failed && now.Match == 0:
		outcome = "unmatched"
		c.alarm("unmatched", k.ID, now)
	case now.State == unresolved:
		outcome = "unresolved"
		if before.State != unresolved {
			c.alarm("unresolved", k.ID, now)
		}
	}
	c.metrics.documents.WithLabelValues(outcome).Inc()
}

// alarm is what somebody should look at.
func (c *Clips) alarm(kind, id string, r record) {
	c.metrics.alarms.WithLabelValues(kind).Inc()
	c.log.Error("clip needs a look", "alarm", kind, "clip", id, "match", r.Match, "title", r.Title, "state", r.State,
		"error", r.Error)
}
