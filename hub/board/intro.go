package board

import (
	"context"
	"slices"
	"time"

	"goalcast"
)

// A viewer of a team or competition has the snapshots of the matches that were in the list when it joined. An event of a match that it may not know
// brings the match along: a snapshot frame goes ahead of the event. Nothing is remembered of any viewer for that. A match is in the lists at certain
// times: around its kick-off, and while it is in play. If it was in them ever since its last event, then whoever joined since has it in its snapshot, and
// whoever joined before got that event. Otherwise the event brings it, on whichever node, live and in a replay.

// Intro is the snapshot of a match that goes ahead of one of its events.
type Intro struct {
	Match             goalcast.MatchID
	Known             uint64 // place of the match's event before, as Apply was told it: where nobody has joined since, all know the match
	Team, Competition *View  // for viewers of a team, of a competition: shortened as in their lists
	Size              int    // in memory, roughly
}

const clockSkew = time.Minute // between the machines that stamp events and those that make lists

func newIntro(s goalcast.Snapshot, known uint64) *Intro {
	view := func(kind goalcast.TopicKind) *View { return &View{snaps: []goalcast.Snapshot{inList(s, kind)}} }
	return &Intro{Match: s.ID, Known: known, Team: view(goalcast.TeamTopic), Competition: view(goalcast.CompetitionTopic),
		Size: 2048 + 1024*len(s.Timeline)}
}

// introLocked gives what has to go ahead of an event that is about to be applied; nil mostly. Unsure says that the match is not held, and that viewers
// may not know it.
func (b *Board) introLocked(e goalcast.Event) (in *Intro, unsure bool) {
	m := b.matches[e.Match]
	if m == nil {
		return nil, b.unsureLocked(e)
	}
	if m.snap.Seq == 0 || e.Seq == 1 {
		return nil, false // nothing came before that had to be known
	}
	if bare := len(m.snap.Timeline) == 0 && len(m.snap.Lineups) == 0; bare && e.Kind == goalcast.KindFixture {
		return nil, false // the event tells all there is
	}
	switch added, lacking := b.newTopicsLocked(m, e.Topics); {
	case added:
		return newIntro(m.snap, 0), false
	case m.late, lacking, !b.listedSinceLocked(m.snap.Kickoff, m.snap.Updated, m.snap.State == goalcast.Live):
		return b.introOfLocked(m), false
	}
	return nil, false
}

// introOfLocked makes the intro of a match as it stands; all who need it until the match's next event share it.
func (b *Board) introOfLocked(m *match) *Intro {
	if m.intro == nil {
		m.intro = newIntro(m.snap, m.told)
	}
	return m.intro
}

// glimpse is what events told of a match that is not held: enough to say whether it was in the lists.
type glimpse struct {
	kickoff time.Time
	planned bool  // kickoff is known
	bare    bool  // it was heard from its beginning, and all events were fixtures
	updated int64 // its last event, ms since 1970
}

const maxGlimpses = 20_000 // some 2 MB; then all are forgotten, and matches are read instead

// unsureLocked says whether viewers may not know a match that is not held.
func (b *Board) unsureLocked(e goalcast.Event) bool {
	g, heard := b.glimpses[e.Match]
	switch {
	case e.Seq == 1:
		return false
	case heard && g.bare && e.Kind == goalcast.KindFixture:
		return false
	case heard && g.planned:
		return !b.listedSinceLocked(g.kickoff, g.updated, false)
	}
	return true
}

// glimpseLocked notes an event of a match that is not held.
func (b *Board) glimpseLocked(e goalcast.Event) {
	g := b.glimpses[e.Match]
	if e.Kind == goalcast.KindFixture && e.Fixture != nil {
		g.kickoff, g.planned = e.Fixture.Kickoff, true
	}
	g.bare = e.Kind == goalcast.KindFixture && (e.Seq == 1 || g.bare)
	g.updated = max(g.updated, e.Times.Received, e.Times.Published)
	if len(b.glimpses) >= maxGlimpses {
		clear(b.glimpses)
	}
	b.glimpses[e.Match] = g
}

// newTopicsLocked says whether an event has a list's topic that the match had not, and whether the list of one on this board lacks the match.
func (b *Board) newTopicsLocked(m *match, topics []goalcast.Topic) (added, lacking bool) {
	for _, t := range topics {
		switch t.Kind {
		case goalcast.TeamTopic:
			added = added || int64(m.snap.Home.ID) != t.ID && int64(m.snap.Away.ID) != t.ID
		case goalcast.CompetitionTopic:
			added = added || int64(m.snap.Competition.ID) != t.ID
		default:
			continue
		}
		lacking = lacking || b.lists[t] != nil && !slices.Contains(m.in, t)
	}
	return added, lacking
}

// listedSinceLocked says whether a match, as it is, was in the lists of every node all the time since a time in ms; 0 is unknown, and taken for now.
func (b *Board) listedSinceLocked(kickoff time.Time, ms int64, live bool) bool {
	now := b.now()
	since := now
	if ms > 0 {
		since = time.UnixMilli(ms)
	}
	if !kickoff.IsZero() && !since.Before(kickoff.Add(clockSkew-b.cfg.After)) && !now.After(kickoff.Add(b.cfg.Before-clockSkew)) {
		return true
	}
	return (kickoff.IsZero() || live) && now.Sub(since) < b.cfg.Before-clockSkew
}

// LoadFor has the match of an event read if viewers of its teams and competition may not know it and nothing can be told of it: the channel is closed when
// that has ended. It is nil where there is nothing to wait for.
func (b *Board) LoadFor(e goalcast.Event) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.matches[e.Match] != nil || !b.unsureLocked(e) {
		return nil
	}
	f, err := b.flyLocked(context.Background(), goalcast.ForMatch(e.Match))
	if err != nil {
		return nil
	}
	return f.done
}

// MayLack says whether viewers of teams and competitions may not know the match of an event, and it is not held.
func (b *Board) MayLack(e goalcast.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.matches[e.Match] == nil && b.unsureLocked(e)
}

// Intro gives the snapshot of a match as it stands, for those who were sent an event of it that nothing could be told of then; nil if it is not held.
func (b *Board) Intro(id goalcast.MatchID) *Intro {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.matches[id]; m != nil {
		return b.introOfLocked(m)
	}
	return nil
}
