// Package simulator plays a match day of a made-up world: invented clubs, players, grounds and
// competition. It writes the documents that Opta would push for it (F1, F3, F7, F9, F24) and the
// lines in which a bookmaker would tell odds, and posts them to feed endpoints, so that everything
// behind those works as on a real evening.
//
// `goalcast demo` and `goalcast simulate` run it; tests and load tests read its documents and its
// truth. The same Config gives the same bytes.
//
// # Two clocks
//
// The match clock (min, sec, Time, the minutes of added time) runs Speed times as fast as the clock
// on the wall, and everything the simulator calls a time of the day ("after ten minutes") is on
// that fast clock. The timestamps in the documents are on the wall's clock: the moment at which the
// document is posted or the event happened, as a viewer lives it. So an event is a moment old when
// it arrives, at any speed, and nothing that judges age (pushes above all) finds it too old; a page
// that shows a running minute multiplies the time since the period's start with Speed.
package simulator

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
	_ "time/tzdata" // F24 and F1 write UK local time; the zone must be known on every machine
)

// Config says what day to play. The zero value of every field but Start is a sensible day.
type Config struct {
	// Seed chooses the day: who plays, what happens. The same seed, Start and
	// Speed give the same bytes.
	Seed uint64
	// Matches is how many are played, 1 to MaxMatches; 0 is 8. New panics if there are more.
	Matches int
	// Start is the wall clock's time at which the day begins; zero is the moment New is called, and
	// then the bytes differ with it.
	Start time.Time
	// Speed is how many seconds of the match pass in one second; 0 is 60: a minute per second,
	// a half in 47 seconds.
	Speed float64

	// Lead is the time from the day's start (the F1 document) to the first kick-off, on the fast
	// clock; 0 is 10 minutes. Line-ups come in the middle of it.
	Lead time.Duration
	// Stagger is the time between one kick-off and the next, on the fast clock; 0 is 8
	// minutes, or less where there are more than eight matches, so that all go on at once.
	// Below 0 all kick off together.
	Stagger time.Duration
	// Every is how often an F9 and an F24 of a match in play come when nothing worth
	// telling happens, on the fast clock; 0 is 60 seconds, or one second of the wall's
	// clock where that is longer.
	Every time.Duration
	// TouchesPerMinute is how many passes, fouls and other touches an F24 holds per minute; 0 is 10
	// (about 400 kB at the end; Opta has 17), or fewer where there are more than eight matches, so
	// that a day has as many bytes. Below 0 is none.
	TouchesPerMinute int

	// Clips posts a clip of each goal too, some minutes after it fell.
	Clips bool

	// Tables posts the season's table too, an F3: before the day, and after each match.
	Tables bool

	// Repeat makes Run start another day, with the next seed and new match ids, after Pause.
	Repeat bool
	Pause  time.Duration // between two days, on the wall's clock; 0 is 20 seconds

	// Begins, where it is set, is called by Run with each day when it begins, also the first.
	Begins func(*Day)

	// Noise is what goes wrong on the way.
	Noise Noise
}

// Noise is a share, 0 to 1, of documents with which something goes wrong on the way. None of it
// changes what is true in the end.
type Noise struct {
	Double float64 // sent twice, one right after the other
	Swap   float64 // overtaken by the next document of the same match
	Late   float64 // sent once more when a later document of the same match was long there
}

// Document is one document as Opta pushes it, or of feed ClipFeed, as WSC does.
type Document struct {
	Due     time.Duration // after Config.Start, on the wall's clock
	Feed    string        // "F1", "F3", "F7", "F9", "F24", ClipFeed
	Match   int64         // 0 for F1 and F3
	Headers map[string]string
	Body    []byte
}

// ClipFeed is the Feed of documents that go to another endpoint than Opta's, ".../feeds/wsc".
const ClipFeed = "WSC"

// Day is a match day: all that will happen is settled. It is never changed and
// safe for concurrent use.
type Day struct {
	cfg     Config
	london  *time.Location
	matches []*match
	before  league // the table when the day begins, with Config.Tables
}

// New settles a day. It starts nothing.
func New(cfg Config) *Day {
	const usual = len(firstClubs) / 2
	if cfg.Matches > MaxMatches {
		panic(fmt.Sprintf("simulator: %d matches, there can be %d", cfg.Matches, MaxMatches))
	}
	cfg.Matches = cmp.Or(max(cfg.Matches, 0), usual)
	if cfg.Start.IsZero() {
		cfg.Start = time.Now()
	}
	cfg.Start = cfg.Start.UTC().Truncate(time.Millisecond)
	cfg.Speed = orDefault(cfg.Speed, 60)
	cfg.Lead = orDefault(cfg.Lead, 10*time.Minute)
	cfg.Stagger = max(0, cmp.Or(cfg.Stagger, 8*time.Minute*time.Duration(usual)/time.Duration(max(usual, cfg.Matches))))
	cfg.Every = orDefault(cfg.Every, max(time.Minute, time.Duration(cfg.Speed*float64(time.Second))))
	cfg.TouchesPerMinute = max(0, cmp.Or(cfg.TouchesPerMinute, 10*usual/max(usual, cfg.Matches)))
	cfg.Pause = orDefault(cfg.Pause, 20*time.Second)
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic("simulator: " + err.Error()) // the zones are built in
	}
	d := &Day{cfg: cfg, london: london}
	if cfg.Tables {
		d.before = newLeague(cfg.Seed)
	}
	rng := rand.New(rand.NewPCG(cfg.Seed, 0x60a1ca57))
	order := rng.Perm(len(firstClubs)) // all that play on a usual day; the others follow
	if cfg.Matches > usual {
		for _, n := range rng.Perm(len(clubs) - len(firstClubs)) {
			order = append(order, len(firstClubs)+n)
		}
	}
	for i := range cfg.Matches {
		d.matches = append(d.matches, d.settle(rng, i, newSquad(order[2*i]), newSquad(order[2*i+1])))
	}
	return d
}

func orDefault[T int | float64 | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Speed is how many seconds of the match pass in one second of the wall's clock.
func (d *Day) Speed() float64 { return d.cfg.Speed }

// Length is how long the day takes on the wall's clock, from Start to the last document.
func (d *Day) Length() time.Duration {
	posts := d.schedule()
	return d.due(posts[len(posts)-1].at)
}

// Minute is when the clock of the day's first match shows a minute, of the wall's clock: 46 is the
// beginning of its second half, whatever was added to the first; below 0 is before it begins.
func (d *Day) Minute(minute int) time.Time {
	m := d.matches[0]
	if minute > 45 {
		return d.wall(m.halves[1].start + time.Duration(minute-45)*time.Minute)
	}
	return d.wall(m.halves[0].start + time.Duration(minute)*time.Minute)
}

// due turns a time of the day into the time since Start on the wall's clock.
func (d *Day) due(at time.Duration) time.Duration {
	return time.Duration(float64(at) / d.cfg.Speed).Round(time.Millisecond)
}

// wall is the wall clock's time at a time of the day.
func (d *Day) wall(at time.Duration) time.Time { return d.cfg.Start.Add(d.due(at)) }

// posting is one document to come: feed and match as they are known at the moment asOf,
// sent at the moment at.
type posting struct {
	at, asOf time.Duration
	feed     string
	match    *match    // nil for F1 and F3
	goal     *incident // of a clip
	lane     int       // order of two postings at the same moment
}

// Documents yields all documents of the day in the order in which they are due. They are written
// as they are asked for.
func (d *Day) Documents() iter.Seq[Document] {
	return func(yield func(Document) bool) {
		for _, p := range d.schedule() {
			if !yield(d.write(p)) {
				return
			}
		}
	}
}

// schedule lists what is sent and when. A moment worth telling is told by an F24 some seconds later
// and by an F9 some more seconds later; between such moments both come at regular intervals.
func (d *Day) schedule() []posting {
	rng := rand.New(rand.NewPCG(d.cfg.Seed, 0x5c4ed01e))
	posts := []posting{{feed: "F1"}}
	if d.cfg.Tables {
		posts = append(posts, posting{feed: "F3"})
	}
	for lane, m := range d.matches {
		add := func(at time.Duration, feed string) {
			posts = append(posts, posting{at: at, asOf: at, feed: feed, match: m, lane: lane + 1})
		}
		seconds := func(from, to int) time.Duration {
			return time.Duration(from*1000+rng.IntN((to-from)*1000)) * time.Millisecond
		}
		add(m.lineups+seconds(1, 4), "F7")
		add(m.lineups+seconds(5, 9), "F24")
		for _, moment := range m.moments {
			add(moment+seconds(4, 8), "F24")
			add(moment+seconds(9, 20), "F9")
		}
		for _, half := range m.halves {
			for at := half.start + d.cfg.Every; at < half.end; at += d.cfg.Every {
				add(at+seconds(0, 3), "F24")
				add(at+seconds(4, 8), "F9")
			}
		}
		for _, in := range m.incidents {
			if d.cfg.Clips && in.kind == goal {
				at := in.event.at + clipDelay
				posts = append(posts, posting{at: at, asOf: at, feed: ClipFeed, match: m, goal: in, lane: lane + 1})
			}
		}
		add(m.closed+5*time.Second, "F24")
		add(m.closed+25*time.Second, "F9")
		add(m.closed+40*time.Second, "F7")
		last := m.closed + 60*time.Second
		if d.cfg.Tables {
			posts = append(posts, posting{at: last, asOf: last, feed: "F3", lane: lane + 1})
		}
		posts = append(posts, posting{at: last, asOf: last, feed: "F1", lane: lane + 1})
	}
	slices.SortStableFunc(posts, func(a, b posting) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.lane, b.lane))
	})
	return d.cfg.Noise.spoil(rng, posts)
}

func (d *Day) write(p posting) Document {
	doc := Document{Due: d.due(p.at), Feed: p.feed}
	if p.match != nil {
		doc.Match = p.match.id
	}
	switch p.feed {
	case "F1":
		doc.Body = d.f1(p.asOf)
	case "F3":
		doc.Body = d.f3(p.asOf)
	case "F24":
		doc.Body = d.f24(p.match, p.asOf)
	case ClipFeed:
		doc.Body, doc.Headers = d.clip(p.match, p.goal), map[string]string{"Content-Type": "application/json"}
		return doc
	default:
		doc.Body = d.f9(p.match, p.asOf, p.feed == "F9")
	}
	doc.Headers = d.headers(p, doc.Body)
	return doc
}
