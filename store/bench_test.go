package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"goalcast"
	"goalcast/internal/testservers"
)

// What the goal's way costs, with every commit flushed to disk. Run with -bench . -benchtime 300x.

func onDurable(b *testing.B, bench func(b *testing.B, s *Store)) {
	b.Run("postgres", func(b *testing.B) { bench(b, openTest(b, testservers.DurablePostgres(b))) })
	b.Run("sqlite", func(b *testing.B) { bench(b, openTest(b, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))) })
}

func BenchmarkKeepDocument(b *testing.B) {
	for _, kb := range []int{90, 900} {
		b.Run(fmt.Sprintf("%dkB", kb), func(b *testing.B) {
			onDurable(b, func(b *testing.B, s *Store) {
				document := documents(kb * 1024)
				for b.Loop() {
					d := goalcast.Document{Provider: "opta", Feed: "F9", Body: document(), Received: kickoff}
					if err := s.KeepDocument(context.Background(), &d); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// The same without packing, to compare.
func BenchmarkKeepRaw(b *testing.B) {
	for _, kb := range []int{90, 900} {
		b.Run(fmt.Sprintf("%dkB", kb), func(b *testing.B) {
			onDurable(b, func(b *testing.B, s *Store) {
				document, noise := documents(kb*1024), make([]byte, kb*1024)
				rand.NewChaCha8([32]byte{}).Read(noise)
				for b.Loop() {
					copy(noise, document()[:46]) // what cannot be packed is kept raw, after a try
					d := goalcast.Document{Provider: "opta", Feed: "F9", Body: noise, Received: kickoff}
					if err := s.KeepDocument(context.Background(), &d); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, kb := range []int{90, 900} {
		b.Run(fmt.Sprintf("%dkB", kb), func(b *testing.B) {
			p, err := newCompressor()
			if err != nil {
				b.Fatal(err)
			}
			body, packed := documents(kb*1024)(), []byte(nil)
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_, packed = p.compress(body)
			}
			b.ReportMetric(float64(len(body))/float64(len(packed)), "ratio")
		})
	}
}

// Editors' messages of several callers who share a commit, which also notes that the bus has
// those of the commit before.
func BenchmarkSaveMessages(b *testing.B) {
	for _, of := range []struct{ callers, messages int }{{1, 1}, {8, 1}, {5, 100}} {
		b.Run(fmt.Sprintf("%dx%d", of.callers, of.messages), func(b *testing.B) {
			onDurable(b, func(b *testing.B, s *Store) {
				var marks []goalcast.Event
				count := 0
				for b.Loop() {
					list := []*saving{{marks: marks}}
					marks = nil
					for range of.callers {
						var messages []goalcast.Event
						for range of.messages {
							e := message("message:"+uuid.Must(uuid.NewV7()).String(),
								`{"text":"`+strings.Repeat("x", 250)+`"}`)
							messages, count = append(messages, e), count+1
						}
						v, err := newSaving(b.Context(), posted("request"), messages)
						if err != nil {
							b.Fatal(err)
						}
						list, marks = append(list, v), append(marks, messages...)
					}
					if err := s.commit(context.Background(), list); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(count), "us/message")
			})
		})
	}
}

// documents makes documents of a size, no two the same, about as packable as an F24 (its events'
// ids, places and times differ).
func documents(size int) func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "<Event id=\"%d\" event_id=\"%d\" type_id=\"%d\" period_id=\"1\" min=\"%d\" "+
			"sec=\"%d\" x=\"%.1f\" y=\"%.1f\" timestamp=\"2018-08-20T21:%02d:%02d.%d\"/>\n",
			random.IntN(1e9), random.IntN(900), random.IntN(80), random.IntN(90), random.IntN(60), random.Float64()*100,
			random.Float64()*100,
			random.IntN(60), random.IntN(60), random.IntN(999))
	}
	n := 0
	return func() []byte {
		n++
		return append(fmt.Appendf(nil, "<!-- %36d -->", n), b.Bytes()[46:size]...)
	}
}

// A goal in a match with 40 events and 60 kB of feeds' memory, which changes too.
func BenchmarkUpdateMatch(b *testing.B) {
	onDurable(b, func(b *testing.B, s *Store) {
		score(b, s, 5, 40)
		memory := bytes.Repeat([]byte(`{"id":123456789,"type":16}`), 60*1024/26)
		seq := int64(41)
		for b.Loop() {
			seq++
			err := s.UpdateMatch(context.Background(), 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord,
				[]goalcast.Event, error) {
				e := matchEvent(5, seq, goalcast.KindGoal)
				r.Snapshot.Seq = seq // not applied: the timeline stays at 40
				memory[len(memory)-1] ^= 1
				r.Feeds = memory
				return r, []goalcast.Event{e}, nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// An archive of 400 days: what a document costs to keep, to read and to finish.
func BenchmarkOldArchive(b *testing.B) {
	s := openTest(b, testservers.DurablePostgres(b))
	today := dayOf(kickoff.UnixMilli())
	for day := today - 400; day <= today; day++ {
		if err := s.makePartition(b.Context(), bodiesTable, day); err != nil {
			b.Fatal(err)
		}
	}
	document := documents(90 << 10)
	var keeps, reads, finishes []time.Duration
	for b.Loop() {
		d := goalcast.Document{Provider: "opta", Feed: "F9", Match: 1, Body: document(), Received: kickoff}
		begin := time.Now()
		if err := s.KeepDocument(context.Background(), &d); err != nil {
			b.Fatal(err)
		}
		kept := time.Now()
		if _, err := s.Document(context.Background(), d.ID); err != nil {
			b.Fatal(err)
		}
		read := time.Now()
		if err := s.FinishDocument(context.Background(), d.ID, goalcast.DocumentApplied, ""); err != nil {
			b.Fatal(err)
		}
		keeps, reads, finishes = append(keeps, kept.Sub(begin)), append(reads, read.Sub(kept)),
			append(finishes, time.Since(read))
	}
	for name, all := range map[string][]time.Duration{"keep": keeps, "read": reads, "finish": finishes} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us-"+name)
	}
}
