package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// wanted says what revision e asks to be pushed to whoever follows the match; "" for nothing.
// Delays and fixtures: see statusOf.
func (c Config) wanted(e goalcast.Event) string {
	switch {
	case !e.Counts():
		return ""
	case e.Kind == goalcast.KindMessage && len(e.Push) > 0:
		return kindMessage
	case e.Match == 0:
		return ""
	}
	switch e.Kind {
	case goalcast.KindGoal:
		if e.Goal != nil {
			return kindGoal
		}
	case goalcast.KindCard:
		if e.Card != nil && e.Card.Type != goalcast.Yellow {
			return kindRed
		}
	case goalcast.KindPeriod:
		switch e.Period {
		case goalcast.FirstHalf, goalcast.HalfTime, goalcast.SecondHalf, goalcast.FullTime90, goalcast.Shootout,
			goalcast.FullTime:
			return kindPeriod
		}
	case goalcast.KindPenalty:
		if c.Penalties {
			return kindPenalty
		}
	case goalcast.KindMissedPenalty:
		if c.Penalties {
			return kindMissed
		}
	case goalcast.KindClip:
		return c.clipKind(e.Clip)
	case goalcast.KindLineup: // with that of the other team: see decideLineups
		if e.Lineup != nil {
			return kindLineups
		}
	}
	return ""
}

// pushable says whether such an event may ask for a push. Another one matters only if it was pushed
// before, as an event of another kind.
func pushable(e goalcast.Event) bool {
	if e.Kind == goalcast.KindMessage {
		return len(e.Push) > 0
	}
	return e.Match != 0 && e.Kind.Info().Push != goalcast.PushNever
}

// onPhones is what phones show of an event; its zero value if they show nothing that stands.
func onPhones(rec goalcast.PushRecord) (c Content) {
	if rec.State != goalcast.RecordShown || json.Unmarshal(rec.Content, &c) != nil {
		return Content{}
	}
	return c
}

// result says whether the beginning of a period tells how the part before it ended.
func result(p goalcast.Period) bool {
	return p == goalcast.HalfTime || p == goalcast.FullTime90 || p == goalcast.FullTime
}

// told is when we got the document that told of a revision: news is new when it is told.
func told(e goalcast.Event, now time.Time) time.Time {
	return earliest(now, time.UnixMilli(e.Times.Received))
}

// made is when the provider made that document; when we got it where the provider does not say, or
// says something in the future.
func made(e goalcast.Event, now time.Time) time.Time {
	return earliest(told(e, now), time.UnixMilli(e.Times.Provider))
}

// happened is when the event took place, as far as anybody says: before its document was made, and
// before the next part of the match began.
func happened(e goalcast.Event, match goalcast.Snapshot, now time.Time) time.Time {
	t := earliest(made(e, now), e.At)
	if e.Period.Order() == 0 {
		return t
	}
	for _, old := range match.Timeline {
		if old.Kind == goalcast.KindPeriod && old.Counts() && old.Period.Order() > e.Period.Order() {
			t = earliest(t, old.At)
		}
	}
	return t
}

// earliest is the first of the two times; t if the other is not known.
func earliest(t, other time.Time) time.Time {
	if other.UnixMilli() > 0 && other.Before(t) {
		return other
	}
	return t
}

// history says whether the document that told of e was the first of a feed that began in mid-match:
// nothing was told before it, and it tells of what is long over, too. No event of such a document
// is news because it is told only now.
func (c Config) history(e goalcast.Event, match goalcast.Snapshot) bool {
	old := false
	for _, other := range match.Timeline {
		switch {
		case other.Kind == goalcast.KindClip || other.ID == e.ID && other.Revision == 1:
		case other.Revision > 1, other.Times.Received < e.Times.Received:
			return false
		case other.Times.Received == e.Times.Received && !other.At.IsZero():
			old = old || time.UnixMilli(e.Times.Received).Sub(other.At) > c.Late
		}
	}
	return old
}

// since is when the life of a push begins. That of a goal, a card or a result begins when it is
// told, since a review may take minutes; old says that it happened so long before that it is no
// news any more. That of anything else begins when it happened: minutes later a kick-off is none.
func (c Config) since(kind string, e goalcast.Event, match goalcast.Snapshot, now time.Time) (since time.Time,
	old bool) {
	took := happened(e, match, now)
	switch kind {
	case kindStatus:
		return took, false
	case kindClip, kindSummary: // it is new when it is made, and not when what it shows happened
		return earliest(made(e, now), e.At), false
	case kindPeriod:
		if !result(e.Period) {
			return took, false
		}
	}
	if c.history(e, match) {
		return took, false
	}
	since = told(e, now)
	return since, since.Sub(took) > c.Late
}

// verdict is what one revision leads to.
type verdict struct {
	record  goalcast.PushRecord
	kind    string // pushed; "" if nothing is
	fresh   bool   // to all followers; else to those who got the base
	expires time.Time
	reason  string // why nothing is pushed although something was asked for
}

// decide says what revision e changes, given where its pushes stand and the match as it is now. It
// reads no clock but now and calls nothing.
func (n *Notifier) decide(rec goalcast.PushRecord, e goalcast.Event, match goalcast.Snapshot, now time.Time) (verdict,
	error) {
	if e.Kind == goalcast.KindLineup {
		return n.decideLineups(rec, e, match, now)
	}
	if e.Revision <= rec.Revision {
		return verdict{record: rec, reason: "superseded"}, nil
	}
	rec.Event, rec.Match, rec.Revision = cmp.Or(rec.Event, e.PushID()), e.Match, e.Revision
	want, status := n.cfg.wanted(e), statusOf(rec, e, match, now)
	if status != "" {
		want = kindStatus
	}
	if _, ok := goalOf(e, match); want == kindClip && !ok {
		want = ""
	}
	if want == "" {
		return n.decideUnwanted(rec, e, match, now)
	}
	news := status != "" && rec.Print != "" && statusIn(rec.Print) != status
	since, old := n.cfg.since(want, e, match, now)
	if rec.State == goalcast.RecordWithdrawn || news {
		// it was taken back and stands after all: that is the news, not the goal of minutes ago
		since, old = told(e, now), false
	}
	if rec.Since.IsZero() || news {
		rec.Since = since
	} else {
		since = rec.Since
	}
	if newer(match, e) {
		return verdict{record: rec, reason: "superseded"}, nil // the newer revision, also in the outbox, decides
	}
	if shown := onPhones(rec).Kind; shown != "" && shown != want {
		// Who was told of a goal must hear that there is none, whatever there is instead; a goal is
		// news whatever was told before.
		if want != kindGoal && rowOf(shown).off != "" && rowOf(want).channel != rowOf(shown).channel {
			return n.decideUnwanted(rec, e, match, now)
		}
		news = true
		since, old = n.cfg.since(want, e, match, now)
		rec.Since = since
	}
	content, fingerprint, err := n.content(rec, factsOf(want, status, e, match))
	if err != nil {
		return verdict{}, err
	}
	if !news && rec.State == goalcast.RecordNone && n.again(rec, want, now) {
		return n.decideAgain(rec, e, want, content, fingerprint, now), nil
	}
	switch {
	case news:
	case rec.State == goalcast.RecordMuted:
		return verdict{record: rec, reason: "muted"}, nil
	case rec.State == goalcast.RecordShown:
		return n.decideCorrection(rec, e, want, content, fingerprint, now), nil
	}
	expires := since.Add(rowOf(want).ttl(n.cfg, e.Period))
	switch {
	// known as halted from the first: no news, just a list that was read
	case e.Kind == goalcast.KindFixture && e.Revision == 1:
		return muted(rec, fingerprint, "not_new"), nil
	case toldByDelay(e, status, match):
		return muted(rec, fingerprint, "told_already"), nil
	case old, !now.Before(expires), n.tooLate(e, match, now):
		return muted(rec, fingerprint, "expired"), nil
	}
	rec.State, rec.Shown, rec.Base, rec.Told = goalcast.RecordShown, now, e.Revision, e.Revision
	rec.Print, rec.Content, rec.Topics = fingerprint, content, e.Topics
	return verdict{record: rec, kind: want, fresh: true, expires: expires}, nil
}

// again says whether what was told and taken back without a word is the same occasion now
// that it stands after all. A part of a match that begins later than a correction would be
// told has begun once more.
func (n *Notifier) again(rec goalcast.PushRecord, want string, now time.Time) bool {
	return rec.Base > 0 && (want != kindPeriod || now.Sub(rec.Shown) <= n.cfg.CorrectionAge)
}

// decideAgain is for what was told, taken back without a word and stands after all: it is not told
// twice. Whoever had not been told yet still is.
func (n *Notifier) decideAgain(rec goalcast.PushRecord, e goalcast.Event, want string, content []byte,
	fingerprint string, now time.Time) verdict {
	rec.State, rec.Open = goalcast.RecordShown, now.Before(rec.Expires)
	if fingerprint == rec.Print {
		rec.Content = content
		return verdict{record: rec, reason: "told_already"}
	}
	return n.decideCorrection(rec, e, want, content, fingerprint, now)
}

// muted is for what will not be told; what it would have said is kept, to know news from it.
func muted(rec goalcast.PushRecord, fingerprint, reason string) verdict {
	rec.State, rec.Print, rec.Content, rec.Open = goalcast.RecordMuted, fingerprint, nil, false
	return verdict{record: rec, reason: reason}
}

// decideCorrection is for what is on phones already and stands: another scorer or minute
// replaces it without a sound.
func (n *Notifier) decideCorrection(rec goalcast.PushRecord, e goalcast.Event, want string, content []byte,
	fingerprint string, now time.Time) verdict {
	if fingerprint == rec.Print {
		return verdict{record: rec}
	}
	rec.Print, rec.Content = fingerprint, content // also what batches of the base that have not gone yet will say
	if now.Sub(rec.Shown) > n.cfg.CorrectionAge {
		return verdict{record: rec, reason: "late_correction"}
	}
	rec.Told = e.Revision
	return verdict{record: rec, kind: want, expires: told(e, now).Add(rowOf(want).ttl(n.cfg, e.Period))}
}

// decideUnwanted is for a revision that asks for nothing: if an older one was
// pushed, it is taken back.
func (n *Notifier) decideUnwanted(rec goalcast.PushRecord, e goalcast.Event, match goalcast.Snapshot,
	now time.Time) (verdict, error) {
	shown := rec.State == goalcast.RecordShown
	rec.Since = time.Time{}
	if shown && newer(match, e) {
		// Batches of the base that have not gone yet stay where they are: the claim looks
		// at the newest revision.
		return verdict{record: rec, reason: "superseded"}, nil
	}
	rec.Open = false // nobody else is told
	if !shown {
		if rec.State != goalcast.RecordWithdrawn {
			rec.State = goalcast.RecordNone
		}
		return verdict{record: rec}, nil
	}
	off := rowOf(onPhones(rec).Kind).off
	late := now.Sub(rec.Shown) > n.cfg.CorrectionAge
	if off == "" || late {
		rec.State, rec.Content = goalcast.RecordNone, nil
		reason := "late_correction"
		if !late {
			reason = "withdrawn_unseen"
		}
		return verdict{record: rec, reason: reason}, nil
	}
	content, fingerprint, err := n.content(rec, factsOf(off, "", e, match))
	if err != nil {
		return verdict{}, err
	}
	rec.State, rec.Told, rec.Content, rec.Print = goalcast.RecordWithdrawn, e.Revision, content, fingerprint
	return verdict{record: rec, kind: off, expires: told(e, now).Add(rowOf(off).ttl(n.cfg, e.Period))}, nil
}

// tooLate says whether the match must be over: a last guard where neither event nor
// document tells a time.
func (n *Notifier) tooLate(e goalcast.Event, match goalcast.Snapshot, now time.Time) bool {
	if e.Kind == goalcast.KindFixture || !e.At.IsZero() || e.Times.Provider > 0 {
		return false
	}
	return !match.Kickoff.IsZero() && now.Sub(match.Kickoff) > n.cfg.MatchLength
}

// newer says whether the match already holds a newer revision of e.
func newer(match goalcast.Snapshot, e goalcast.Event) bool {
	if e.Kind == goalcast.KindFixture {
		return match.FixtureRevision > e.Revision
	}
	known, ok := match.Event(e.ID)
	return ok && known.Revision > e.Revision
}

// factsOf are those of the push of a kind.
func factsOf(kind, status string, e goalcast.Event, match goalcast.Snapshot) facts {
	f := facts{kind: kind, status: status, event: e, match: match, score: scoreAt(kind, e, match)}
	if goal, ok := goalOf(e, match); ok {
		f.showing(goal)
	}
	for _, old := range match.Timeline {
		f.extra = f.extra || old.Kind == goalcast.KindPeriod && old.Counts() && old.Period == goalcast.ExtraFirstHalf
	}
	return f
}

// content writes a push, and a fingerprint of what of it is seen, which begins with the status if
// it is one.
func (n *Notifier) content(rec goalcast.PushRecord, f facts) (content []byte, fingerprint string, err error) {
	c, err := n.compile(rec, f)
	if err != nil {
		return nil, "", err
	}
	seen := sha256.Sum256(fmt.Append(nil, f.kind, c.Texts)) // fmt prints maps in the order of their keys
	content, err = json.Marshal(c)
	fingerprint = base64.RawURLEncoding.EncodeToString(seen[:12])
	if f.status != "" {
		fingerprint = f.status + statusEnd + fingerprint
	}
	return content, fingerprint, err
}

func (n *Notifier) compile(rec goalcast.PushRecord, f facts) (Content, error) {
	kind, status, e := f.kind, f.status, f.event
	texts, err := n.texts(f, false)
	if err != nil {
		return Content{}, err
	}
	noScores, err := n.texts(f, true)
	if err != nil {
		return Content{}, err
	}
	c := Content{
		Kind: kind, User: switchOf(kind, e.Period), Texts: texts, NoScores: noScores,
		High: rowOf(kind).high, Channel: rowOf(kind).channel, Received: e.Times.Received,
		Data: map[string]string{
			"event": e.ID, "revision": strconv.Itoa(e.Revision), "kind": kind,
			"time": strconv.FormatInt(made(e, n.now()).UnixMilli(), 10),
		},
	}
	if rec.Base == 0 && rowOf(kind).seen { // nothing of the event was pushed before
		c.Seen = e.KeyOfAll()
	}
	if kind == kindMessage {
		c.Thread = e.Topics[0].String()
		c.Data["topic"] = c.Thread
		if topic := e.Topics[0]; topic.Kind == goalcast.MatchTopic {
			c.Data["match"] = strconv.FormatInt(topic.ID, 10)
		}
	} else {
		c.Data["match"] = strconv.FormatInt(int64(e.Match), 10)
		c.Data["score"] = fmt.Sprintf("%d-%d", f.score.Home, f.score.Away)
		c.Thread = "match:" + c.Data["match"]
	}
	if status != "" {
		c.Data["status"], _, _ = strings.Cut(status, " ")
	}
	if kind == kindClip || kind == kindSummary {
		c.Image, c.Silent = imageOf(e.Clip), n.cfg.repeats(kind, e, f.match)
		if kind == kindClip {
			c.Data["of"] = e.Clip.Of
		}
	}
	c.Tag, c.Collapse = keys(kind, e)
	if old := onPhones(rec); old.Tag != old.Collapse {
		c.Tag = old.Tag // of this event alone: it takes the place of what is shown, though that was of another kind
	}
	return c, nil
}

// maxTag is what APNs takes for apns-collapse-id, in bytes.
const maxTag = 64

// keys are the tag, under which a newer notification replaces a shown one, and the collapse key,
// under which only the newest is kept for a phone that is off. Collapse keys hold no event id:
// FCM keeps four different ones per device, and of the goals that a phone has slept through the
// newest has the score.
func keys(kind string, e goalcast.Event) (tag, collapse string) {
	match := strconv.FormatInt(int64(e.Match), 10)
	row := rowOf(kind)
	if kind == kindMessage {
		match = e.Topics[0].String()
	}
	collapse = row.collapse + ":" + match
	id := e.ID
	if kind == kindClip {
		id = e.Clip.Of // one clip of a goal takes the place of another
	}
	if tag = cmp.Or(row.tag, row.collapse) + ":" + match; row.each {
		tag += ":" + id
	}
	if len(tag) > maxTag {
		sum := sha256.Sum256([]byte(tag))
		tag = collapse + ":" + base64.RawURLEncoding.EncodeToString(sum[:18])
	}
	return tag, collapse
}

// scoreAt is the score that the text shows: the score right after the event in match order, so that
// a corrected scorer of the first goal does not show the score of the third. Where something is
// taken back, it is the score as it stands.
func scoreAt(kind string, e goalcast.Event, match goalcast.Snapshot) goalcast.Score {
	if kind == kindGoalOff || kind == kindRedOff || kind == kindPenaltyOff || kind == kindSummary ||
		e.Kind == goalcast.KindFixture {
		return match.Score
	}
	upTo := func(g goalcast.Event) bool {
		if e.Kind == goalcast.KindPeriod {
			return g.Period.Order() < e.Period.Order()
		}
		return g.ID == e.ID || goalcast.InMatchOrder(g, e) <= 0
	}
	return match.Result(func(yield func(goalcast.Event) bool) {
		for _, g := range match.Timeline {
			if upTo(g) && !yield(g) {
				return
			}
		}
	}).Score
}
