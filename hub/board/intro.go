package board

import (
	"slices"
	"time"

	"goalcast"
)

// A viewer of a team or competition has the snapshots of the matches that were in the list when it
// joined. An event of a match that it may not know brings the match along: a snapshot frame goes
// ahead of the event. Nothing is remembered of any viewer for that. A match is in the lists at
// certain times: around its kick-off, and while it is in play. If it was in them ever since its
// last event, then whoever joined since has it in its snapshot, and whoever joined before got that
// event. Otherwise the event brings it, on whichever node, live and in a replay.

// Intro is the snapshot of a match that goes ahead of one of its events.
type Intro struct {
	Match goalcast.MatchID
	// place of the match's event before, as Apply was told it: where nobody has joined since, all
	// know the match
	Known             uint64
	Team, Competition *View           // for viewers of a team, of a competition: shortened as in their lists
	Size              int             // in memory, roughly
	Need              goalcast.Rights // what one has to have to see the match
}

const clockSkew = time.Minute // between the machines that stamp events and those that make lists

func (h *held) newIntro(s goalcast.Snapshot, known uint64) *Intro {
	view := func(kind goalcast.TopicKind) *View { return &View{snaps: []goalcast.Snapshot{inList(s, kind)}} }
	return &Intro{Match: s.ID, Known: known, Team: view(goalcast.TeamTopic),
		Competition: view(goalcast.CompetitionTopic),
		Size:        2048 + 1024*len(s.Timeline), Need: h.cfg.Private.Match(&s)}
}

// introFor gives what has to go ahead of an event that is about to be applied; nil mostly. Unsure
// says that the match is not held, and that viewers may not know it.
func (h *held) introFor(e goalcast.Event) (in *Intro, unsure bool) {
	m := h.matches[e.Match]
	if m == nil {
		return nil, h.unsure(e)
	}
	if m.snap.Seq == 0 || e.Seq == 1 {
		return nil, false // nothing came before that had to be known
	}
	if bare := len(m.snap.Timeline) == 0 && len(m.snap.Lineups) == 0; bare && e.Kind == goalcast.KindFixture {
		return nil, false // the event tells all there is
	}
	switch added, lacking := h.newTopics(m, e.Topics); {
	case added:
		return h.newIntro(m.snap, 0), false
	case m.late, lacking, !h.listedSince(m.snap.Kickoff, m.snap.Updated, m.snap.State == goalcast.Live):
		return h.introOf(m), false
	}
	return nil, false
}

// introOf makes the intro of a match as it stands; all who need it until the match's next event
// share it.
func (h *held) introOf(m *match) *Intro {
	if m.intro == nil {
		m.intro = h.newIntro(m.snap, m.told)
	}
	return m.intro
}

// glimpse is what events told of a match that is not held: enough to say whether it was in the
// lists.
type glimpse struct {
	kickoff time.Time
	planned bool  // kickoff is known
	bare    bool  // it was heard from its beginning, and all events were fixtures
	updated int64 // its last event, ms since 1970
}

const maxGlimpses = 20_000 // some 2 MB; then all are forgotten, and matches are read instead

// mayLack says whether viewers of teams and competitions may not know the match of an event, and it
// is not held.
func (h *held) mayLack(e goalcast.Event) bool { return h.matches[e.Match] == nil && h.unsure(e) }

// unsure says whether viewers may not know a match that is not held.
func (h *held) unsure(e goalcast.Event) bool {
	g, heard := h.glimpses[e.Match]
	switch {
	case e.Seq == 1:
		return false
	case heard && g.bare && e.Kind == goalcast.KindFixture:
		return false
	case heard && g.planned:
		return !h.listedSince(g.kickoff, g.updated, false)
	}
	return true
}

// note remembers an event of a match that is not held.
func (h *held) note(e goalcast.Event) {
	g := h.glimpses[e.Match]
	if e.Kind == goalcast.KindFixture && e.Fixture != nil {
		g.kickoff, g.planned = e.Fixture.Kickoff, true
	}
	g.bare = e.Kind == goalcast.KindFixture && (e.Seq == 1 || g.bare)
	g.updated = max(g.updated, e.Times.Received, e.Times.Published)
	if len(h.glimpses) >= maxGlimpses {
		clear(h.glimpses)
	}
	h.glimpses[e.Match] = g
}

// newTopics says whether an event has a list's topic that the match had not, and whether the list
// of one on this board lacks the match.
func (h *held) newTopics(m *match, topics []goalcast.Topic) (added, lacking bool) {
	known := m.snap.Topics(m.snap.ID)
	for _, t := range topics {
		if !t.Kind.Info().Matches.Lists() {
			continue
		}
		added = added || !slices.Contains(known, t)
		lacking = lacking || h.lists[t] != nil && !slices.Contains(m.in, t)
	}
	return added, lacking
}

// listedSince says whether a match, as it is, was in the lists of every node all the time since a
// time in ms; 0 is unknown, and taken for now.
func (h *held) listedSince(kickoff time.Time, ms int64, live bool) bool {
	now := h.now()
	since := now
	if ms > 0 {
		since = time.UnixMilli(ms)
	}
	if !kickoff.IsZero() && !since.Before(kickoff.Add(clockSkew-h.cfg.After)) &&
		!now.After(kickoff.Add(h.cfg.Before-clockSkew)) {
		return true
	}
	return (kickoff.IsZero() || live) && now.Sub(since) < h.cfg.Before-clockSkew
}
