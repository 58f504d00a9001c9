//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"goalcast/loadtest/swarm"
)

// row is a line of the report.
type row struct {
	name, what, target string
	figures            []string // "goalcast 1.7 kB"
	reached            bool
	verdict            string // instead of reached: "not measured"
	notes              []string
	calls              []string // of Redis, one for each storm of returns
	how                string   // when and with which settings it was measured
}

// measurement is a row that can be run.
type measurement struct {
	name, what, target string
	run                func(*bench, context.Context, *row) error
}

func measurements() []measurement {
	return []measurement{
		{"memory", "15,000 idle viewers with 3 topics each; growth of the server's RSS for each", "<= 1.4 kB",
			(*bench).memory},
		{"idle", "15,000 viewers of 300 matches, nothing sent but pings every 25 s; CPU", "<= 0.5 x Bun",
			(*bench).idle},
		{"steady", "15,000 viewers of one match, 2 events/s; CPU of all processes per delivery",
			"<= 0.95 x Bun, <= 0.90 x Nchan", (*bench).steady},
		{"saturated", "10,000 viewers of one match, events by single POSTs as fast as they go (goalcast: all roles " +
			"in one process, SQLite, Redis; each event on disk before its answer, the peers' in memory); deliveries/s",
			">= 6 x the better peer, none lost", (*bench).saturated},
		{"saturated-few", "the same with 1,000 viewers", ">= 2 x the better peer, none lost", (*bench).saturatedFew},
		{"topics", "15,000 viewers over 300 matches, 300 events/s in all; CPU of all processes per delivery",
			"<= 1.0 x Bun, <= 0.85 x Nchan", (*bench).topics},
		{"topics-embedded", "the same, events by single POSTs; goalcast: all roles in one process, SQLite, Redis in it",
			"<= 1.5 x Bun", (*bench).topicsEmbedded},
		{"odds", "10,000 viewers, 5,000 price changes/s over 50 matches x 40 prices; every viewer's last prices",
			"all right", (*bench).oddsStorm},
		{"changes", "5,000 changed markets of 100 matches in one step, through normalising and publishing on a real " +
			"Redis; " +
			"changes/s for each core", ">= 100,000 of goalcast's own processor time", (*bench).changes},
		{"goal", "one goal to all 10,000 every 2 s during that, which shuts the gate of one match first; p99 latency",
			"both <= 1.3 x a goal without odds, in each run",
			(*bench).goalInStorm},
		{"slow", "10,000 viewers of whom 1 % never read; p99 latency of the others",
			"<= 1.1 x without; cut with 4008, resumable", (*bench).slow},
		{"returns", "15,000 viewers cut at once come back with a cursor; handshakes and resumes/s",
			">= 8,000/s, nothing missed or repeated, no call to Redis or database", (*bench).returns},
		{"deflate", "10,000 viewers of one match with permessage-deflate, 4 events/s; CPU per delivery, bytes",
			"<= 1.2 x plain; <= 50 % of the bytes", (*bench).deflated},
		{"messages", "POST /admin/messages from 16 clients, each the next when the last is answered, which is on " +
			"disk then (all roles in one process; clustered: PostgreSQL and Redis; embedded: SQLite, Redis in the " +
			"process); messages/s, CPU of all processes", ">= 10,000/s clustered, >= 5,000/s embedded",
			(*bench).messages},
		{"message-arrays", "the same with arrays of messages", ">= 50,000/s clustered, >= 20,000/s embedded",
			(*bench).messageArrays},
		{"rest", "one live match of 11 kB from GET /v1/matches/{id}, all roles in one process; requests/s beside a " +
			"bare net/http handler that writes the same bytes",
			">= 0.8 x the bare handler; 304 faster than the whole", (*bench).rest},
	}
}

func rowNames() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

func (b *bench) row(ctx context.Context, name string) (row, error) {
	list := append(measurements(), measurement{"million", "1,000,000 real connections on one machine; all get one goal",
		"all get it", (*bench).million})
	i := slices.IndexFunc(list, func(m measurement) bool { return m.name == name })
	if i < 0 {
		return row{name: name}, fmt.Errorf("no row %q", name)
	}
	m := list[i]
	r := row{name: m.name, what: m.what, target: m.target}
	return r, m.run(b, ctx, &r)
}

func (r *row) add(format string, values ...any) {
	r.figures = append(r.figures, fmt.Sprintf(format, values...))
}
func (r *row) note(format string, values ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, values...))
}

// memory is what an idle viewer costs.
func (b *bench) memory(ctx context.Context, r *row) error {
	r.reached = true
	for _, a := range []arm{{name: "goalcast WebSocket"}, {name: "goalcast WebSocket, logged in", login: true},
		{name: "goalcast WebSocket with deflate", deflate: true},
		{name: "goalcast SSE", transport: swarm.SSE}, {name: "Bun WebSocket", peer: bun},
		{name: "Nchan WebSocket", peer: nchan}, {name: "Nchan SSE", peer: nchan, transport: swarm.SSE}} {
		if why := b.missing[a.peer]; why != "" {
			r.note("%s skipped: %s", a.name, why)
			continue
		}
		var perViewer, live []float64
		for range b.repeat {
			s, err := b.set(ctx, a, crowd{viewers: b.scaled(15_000), numbers: 300, topics: "match:{n},team:{n}",
				also: "competition:1"})
			if err != nil {
				return err
			}
			time.Sleep(4 * time.Second) // what handshakes leave behind is collected
			now, err := s.server.use()
			var heap float64
			if err == nil && a.peer == "" {
				heap, err = s.server.liveHeap()
			}
			if err := s.close(); err != nil {
				return err
			}
			if err != nil {
				return err
			}
			perViewer = append(perViewer, float64(now.RSS-s.empty.RSS)/float64(s.joined.Conns)/1024)
			live = append(live, (heap-s.emptyHeap)/float64(s.joined.Conns))
		}
		if a.peer != "" {
			r.add("%s %s kB", a.name, spread("%.2f", perViewer))
			continue
		}
		r.add("%s %s kB (live heap %s bytes)", a.name, spread("%.2f", perViewer), spread("%.0f", live))
		if middle(perViewer) > 1.4 {
			r.reached = false
		}
	}
	r.note("growth since the server was empty, 4 s after the last one joined; garbage of the handshakes is in it, " +
		"but not in the live heap, which is what is left of it after a collection. " +
		"Peers' viewers have one channel each")
	return nil
}

// fan measures arms at one plan and gives the median CPU per delivery of both.
func (b *bench) fan(ctx context.Context, r *row, arms []arm, c crowd, p plan, each int64) (map[string][]figures,
	error) {
	all, notes, err := b.compare(ctx, arms, func(a arm, n int) (figures, error) {
		s, err := b.set(ctx, a, c)
		if err != nil {
			return figures{}, err
		}
		f, err := b.play(ctx, s, fmt.Sprintf("%s-%s-%d", r.name, a.name, n), p, func(p published) int64 {
			return p.Events * each
		})
		if closing := s.close(); err == nil {
			err = closing
		}
		return f, err
	})
	r.notes = append(r.notes, notes...)
	return all, err
}

// limits are what is to be reached, as a multiple of each peer's figure.
type limits map[string]float64

// cpuRow tells the CPU per delivery of goalcast and of the peers that were measured.
func (b *bench) cpuRow(r *row, all map[string][]figures, to limits) {
	ours, p99 := median(all[goalcastWS.name], figures.cpu), func(f figures) float64 { return f.p(.99) }
	r.add("goalcast %s us (hub %.2f, Redis %.2f, publisher %.2f), p99 %.1f ms",
		spread("%.2f", values(all[goalcastWS.name], figures.cpu)), median(all[goalcastWS.name], figures.ofServer),
		median(all[goalcastWS.name], figures.ofRedis), median(all[goalcastWS.name], figures.ofPublisher),
		median(all[goalcastWS.name], p99))
	r.reached = clean(all[goalcastWS.name])
	for _, peer := range []string{bun, nchan} {
		limit, asked := to[peer]
		if !asked {
			continue
		}
		theirs := median(all[peer], figures.cpu)
		if theirs == 0 {
			r.verdict = "no " + peer
			continue
		}
		r.add("%s %s us (publisher %.2f), p99 %.1f ms, ratio %.2f", peer,
			spread("%.2f", values(all[peer], figures.cpu)), median(all[peer], figures.ofPublisher),
			median(all[peer], p99), ours/theirs)
		r.reached = r.reached && ours <= limit*theirs
	}
}

func clean(list []figures) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(f figures) bool { return f.wrong() != "" })
}

func (b *bench) steady(ctx context.Context, r *row) error {
	viewers := b.scaled(15_000)
	all, err := b.fan(ctx, r, []arm{goalcastWS, bunWS, nchanWS}, crowd{viewers: viewers, numbers: 1,
		topics: "match:{n}"}, plan{Streams: []int64{1}, Rate: 2, For: b.hold}, int64(viewers))
	b.cpuRow(r, all, limits{bun: 0.95, nchan: 0.90})
	return err
}

func (b *bench) topics(ctx context.Context, r *row) error {
	return b.many(ctx, r, []arm{goalcastWS, bunWS, nchanWS}, limits{bun: 1.0, nchan: 0.85})
}

func (b *bench) topicsEmbedded(ctx context.Context, r *row) error {
	return b.many(ctx, r, []arm{embedded, bunWS}, limits{bun: 1.5})
}

// embedded is goalcast as one process with all that it needs in it.
var embedded = arm{name: goalcastWS.name, roles: "hub,ingest,notify,rest", embedded: true, byAdmin: true}

// many has events on many topics, with few viewers each.
func (b *bench) many(ctx context.Context, r *row, arms []arm, to limits) error {
	const matches = 300
	viewers := b.scaled(15_000) / matches * matches
	viewers = max(viewers, matches)
	var streams []int64
	for n := range int64(matches) {
		streams = append(streams, n+1)
	}
	all, err := b.fan(ctx, r, arms, crowd{viewers: viewers, numbers: matches, topics: "match:{n}"},
		plan{Streams: streams, Rate: 300, For: b.hold}, int64(viewers/matches))
	b.cpuRow(r, all, to)
	return err
}

// saturated is the row of 10,000 viewers, saturatedFew that of 1,000.
func (b *bench) saturated(ctx context.Context, r *row) error    { return b.saturate(ctx, r, 10_000, 6) }
func (b *bench) saturatedFew(ctx context.Context, r *row) error { return b.saturate(ctx, r, 1_000, 2) }

// saturate posts 300 and then 900 events to one match, each by itself and all down one connection,
// to goalcast and to its peers. goalcast commits each before it is answered. What its bus alone
// takes, in scripts of up to 100 events as ingest gives them, is told besides and compared with
// nothing.
func (b *bench) saturate(ctx context.Context, r *row, viewers int, limit float64) error {
	viewers = b.scaled(viewers)
	arms := []arm{{name: "goalcast", roles: "hub,ingest,notify,rest", byAdmin: true}, bunWS, nchanWS, {name: "bus"}}
	r.reached = true
	for _, count := range []int{b.scaled(300), b.scaled(900)} {
		all, err := b.fan(ctx, r, arms, crowd{viewers: viewers, numbers: 1, topics: "match:{n}"},
			plan{Streams: []int64{1}, Count: count}, int64(viewers))
		if err != nil {
			return err
		}
		ours, best := median(all["goalcast"], figures.rate), 0.0
		r.add("%d events: goalcast %s/s", count, spread("%.0f", values(all["goalcast"], figures.rate)))
		for _, peer := range []string{bun, nchan} {
			theirs := median(all[peer], figures.rate)
			if theirs == 0 {
				r.verdict = "no " + peer
				continue
			}
			r.add("%s %s/s, ratio %.1f", peer, spread("%.0f", values(all[peer], figures.rate)), ours/theirs)
			best = max(best, theirs)
		}
		r.add("by its bus alone %.0f/s", median(all["bus"], figures.rate))
		r.reached = r.reached && ours >= limit*best && clean(all["goalcast"])
	}
	return nil
}

// idle is what viewers cost to whom nothing is sent but pings, at each server's 25 seconds.
func (b *bench) idle(ctx context.Context, r *row) error {
	cores := map[string][]float64{}
	span := 5 * b.hold
	for range b.repeat {
		for _, a := range []arm{goalcastWS, bunWS, nchanWS} {
			if b.missing[a.peer] != "" {
				continue
			}
			s, err := b.set(ctx, a, crowd{viewers: b.scaled(15_000), numbers: 300, topics: "match:{n}"})
			if err != nil {
				return err
			}
			before, redisBefore, err := s.use()
			if err == nil {
				time.Sleep(span)
				var after, redisAfter swarm.Use
				after, redisAfter, err = s.use()
				cores[a.name] = append(cores[a.name],
					(after.CPU-before.CPU+redisAfter.CPU-redisBefore.CPU).Seconds()/span.Seconds())
			}
			if closing := s.close(); err == nil {
				err = closing
			}
			if err != nil {
				return err
			}
		}
	}
	ours := middle(cores[goalcastWS.name])
	r.add("goalcast and Redis %s cores", spread("%.3f", cores[goalcastWS.name]))
	for _, peer := range []string{bun, nchan} {
		if len(cores[peer]) == 0 {
			r.note("%s skipped: %s", peer, b.missing[peer])
			continue
		}
		r.add("%s %s cores, ratio %.2f", peer, spread("%.3f", cores[peer]), ours/middle(cores[peer]))
	}
	if len(cores[bun]) == 0 {
		r.verdict = "no " + bun
	}
	r.reached = ours <= 0.5*middle(cores[bun])
	return nil
}

func (b *bench) deflated(ctx context.Context, r *row) error {
	viewers := b.scaled(10_000)
	c := crowd{viewers: viewers, numbers: 1, topics: "match:{n}"}
	probe, err := b.set(ctx, arm{name: "goalcast", deflate: true}, crowd{viewers: 20, numbers: 1, topics: "match:{n}"})
	if err != nil {
		return err
	}
	refused := probe.joined.Errors["deflate was not granted"] > 0
	if err := probe.close(); err != nil {
		return err
	}
	if refused {
		r.verdict = "not yet"
		r.note("the hub does not negotiate permessage-deflate")
		return nil
	}
	all, err := b.fan(ctx, r, []arm{{name: "plain"}, {name: "deflate", deflate: true}}, c,
		plan{Streams: []int64{1}, Rate: 4, For: b.hold}, int64(viewers))
	plain, packed := median(all["plain"], figures.cpu), median(all["deflate"], figures.cpu)
	bytes := median(all["deflate"], figures.bytes) / median(all["plain"], figures.bytes)
	r.add("plain %s us, deflate %s us, ratio %.2f", spread("%.2f", values(all["plain"], figures.cpu)),
		spread("%.2f", values(all["deflate"], figures.cpu)), packed/plain)
	r.add("bytes %.0f %%", 100*bytes)
	r.reached = packed <= 1.2*plain && bytes <= 0.5 && clean(all["deflate"])
	return err
}
