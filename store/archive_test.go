package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

func TestRepeatedDocumentIsKeptOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		body := bytes.Repeat([]byte("<Event/>"), 1000)
		document := func(match goalcast.MatchID, feed string, after time.Duration) goalcast.Document {
			return goalcast.Document{Provider: "opta", Feed: feed, Match: match, Body: bytes.Clone(body),
				Received: kickoff.Add(after)}
		}
		first := document(7, "F9", 0)
		if err := s.KeepDocument(ctx, &first); err != nil || first.Repeats != 0 ||
			first.State != goalcast.DocumentReceived {
			t.Fatalf("first: %+v, %v", first, err)
		}
		for n, step := range []goalcast.DocumentState{goalcast.DocumentReceived, goalcast.DocumentFailed,
			goalcast.DocumentApplied} {
			if n > 0 {
				if err := s.FinishDocument(ctx, first.ID, step, "why"); err != nil {
					t.Fatal(err)
				}
			}
			again := document(7, "F9", time.Duration(n+1)*time.Hour)
			if err := s.KeepDocument(ctx, &again); err != nil || again.ID != first.ID || again.State != step ||
				again.Repeats != n+1 || again.Attempts != n {
				t.Errorf("again after %s: %+v, %v", step, again, err)
			}
		}
		for _, other := range []goalcast.Document{document(8, "F9", 0), document(7, "F7", 0)} {
			if err := s.KeepDocument(ctx, &other); err != nil || other.ID == first.ID || other.Repeats != 0 {
				t.Errorf("another: %+v, %v", other, err)
			}
		}
		got, err := s.Document(ctx, first.ID)
		if err != nil || got.Repeats != 3 || !got.Seen.Equal(kickoff.Add(3*time.Hour)) ||
			!got.Received.Equal(kickoff) || !bytes.Equal(got.Body, body) || got.Size != len(body) {
			t.Errorf("kept: %d repeats, seen %v, %d bytes of %d, %v", got.Repeats, got.Seen, len(got.Body), got.Size,
				err)
		}
		if list, err := s.Documents(ctx, goalcast.DocumentFilter{}); err != nil || len(list) != 3 ||
			list[2].Repeats != 3 {
			t.Errorf("list of %d, %v", len(list), err)
		}
	})
}

// The same document on many connections at once, on a day without a partition yet.
func TestRepeatedDocumentAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ids := make([]goalcast.DocumentID, 12)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				d := goalcast.Document{Provider: "opta", Feed: "F9", Match: goalcast.MatchID(i % 3),
					Body: []byte("<x/>"), Received: kickoff}
				if err := s.KeepDocument(t.Context(), &d); err != nil {
					t.Error(err)
				}
				ids[i] = d.ID
			})
		}
		wg.Wait()
		slices.Sort(ids)
		if n := len(slices.Compact(ids)); n != 3 {
			t.Errorf("%d documents, want 3", n)
		}
		list, err := s.Documents(t.Context(), goalcast.DocumentFilter{})
		if err != nil || len(list) != 3 || list[0].Repeats+list[1].Repeats+list[2].Repeats != 9 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestPacking(t *testing.T) {
	t.Parallel()
	p, err := newCompressor()
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 100_000)
	random := rand.NewChaCha8([32]byte{7})
	random.Read(noise)
	for name, body := range map[string][]byte{
		"nothing": nil, "small": []byte("<x/>"), "text": bytes.Repeat([]byte(`<Event id="12" type_id="16"/>`), 40_000),
		"noise": noise,
	} {
		packing, packed := p.compress(body)
		if packed == nil || len(packed) > len(body) || name == "text" && len(packed) > len(body)/10 {
			t.Errorf("%s: %d bytes of %d", name, len(packed), len(body))
		}
		got, err := p.decompress(packing, packed, len(body))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: not the same after packing %d: %v", name, packing, err)
		}
		if packing == packedZstd {
			packed[len(packed)/2] ^= 0xff
			if got, err := p.decompress(packing, packed[:len(packed)-3], len(body)); err == nil ||
				!errors.Is(err, goalcast.ErrPermanent) {
				t.Errorf("%s: damage gives %d bytes, %v", name, len(got), err)
			}
		}
	}
	if _, err := p.decompress(9, []byte("x"), 1); !errors.Is(err, goalcast.ErrPermanent) {
		t.Errorf("packing of a newer version: %v", err)
	}
}

func TestRetention(t *testing.T) {
	rules, err := ParseRetention(map[string]string{"opta/f24": "30d", "opta": "365d", "wsc": "forever"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"opta": "", "opta/": "3d", "/F9": "3d", "a/b/c": "3d", "x": "0d",
		"y": "-3d", "z": "3 d", "w": "30", "v": "1d2"} {
		if got, err := ParseRetention(map[string]string{name: text}); err == nil {
			t.Errorf("%s=%s is %v", name, text, got)
		}
	}
	onBoth(t, func(t *testing.T, s *Store) {
		now := kickoff
		days := func(n int) time.Time { return now.AddDate(0, 0, -n) }
		want := map[goalcast.DocumentID]bool{}
		for _, d := range []struct {
			provider, feed string
			age            int
			stays          bool
		}{
			{"opta", "F24", 29, true}, {"opta", "F24", 31, false}, {"opta", "F9", 31, true}, {"opta", "F9", 364, true},
			{"opta", "F9", 366, false},
			{"odds", "X", 366, true}, {"odds", "X", 401, false}, {"wsc", "CLIP", 4000, true}, {"opta", "F24", 0, true},
		} {
			id := keep(t, s, goalcast.Document{Provider: d.provider, Feed: d.feed, Match: 1, Received: days(d.age),
				Body: fmt.Append(nil, d)})
			want[id] = d.stays
		}
		again := goalcast.Document{Provider: "odds", Feed: "X", Match: 2, Received: days(500), Body: []byte("again")}
		want[keep(t, s, again)] = true
		again.Received = days(1)
		keep(t, s, again)
		before, err := s.Days(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.PruneDocuments(t.Context(), rules, now)
		if err != nil || n != 3 {
			t.Errorf("deleted %d, %v; want 3", n, err)
		}
		for id, stays := range want {
			d, err := s.Document(t.Context(), id)
			if stays && (err != nil || len(d.Body) == 0) || !stays && !errors.Is(err, goalcast.ErrNotFound) {
				t.Errorf("%s/%s of %v: %v; stays: %v", d.Provider, d.Feed, d.Received, err, stays)
			}
		}
		var bodies int
		if err := s.queryRow(t.Context(), `SELECT COUNT(*)
			FROM document_bodies`).Scan(&bodies); err != nil || bodies != 7 {
			t.Errorf("%d bodies are left, %v; want 7", bodies, err)
		}
		after, err := s.Days(t.Context())
		if err != nil || s.dialect.name == "postgres" && (len(before) != 8 || len(after) != 7) {
			t.Errorf("partitions before %v, after %v, %v", before, after, err)
		}
		if n, err := s.PruneDocuments(t.Context(), rules, now); err != nil || n != 0 {
			t.Errorf("a second time: %d, %v", n, err)
		}
	})
}

// A batch of old documents among new ones of the same days, more than one transaction takes.
func TestRetentionInBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if err := s.MakePartitions(t.Context(), kickoff); err != nil {
			t.Fatal(err)
		}
		sabotage(t, s, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d)
			INSERT INTO documents (provider, feed, match_id, headers, size, digest, received, seen)
			SELECT 'opta', CASE WHEN i %% 20 = 19 THEN 'F9' ELSE 'F1' END, i, '{}', 1, '1', %[2]d, %[2]d
			FROM n`, pruneBatch+19, kickoff.UnixMilli()))
		sabotage(t, s, `INSERT INTO document_bodies (document, received, packing, body) SELECT id, received, 0, 'x'
			FROM documents`)
		n, err := s.PruneDocuments(t.Context(), Retention{"opta/F1": time.Hour}, kickoff.AddDate(0, 0, 5))
		if err != nil || n != 494 {
			t.Errorf("deleted %d, %v", n, err)
		}
		var documents, bodies int
		if err := s.queryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM documents), (SELECT COUNT(*)
			FROM document_bodies)`).Scan(&documents, &bodies); err != nil {
			t.Fatal(err)
		}
		if documents != 26 || bodies != 26 {
			t.Errorf("%d documents, %d bodies; want 26", documents, bodies)
		}
	})
}

func TestPartitionsAreMadeAhead(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := s.MakePartitions(t.Context(), kickoff); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		days, err := s.Days(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.dialect.name != "postgres" {
			return
		}
		if len(days) != 1+partitionsAhead || !days[0].Equal(kickoff.Truncate(24*time.Hour)) {
			t.Errorf("partitions %v", days)
		}
		keep(t, s, goalcast.Document{Provider: "opta", Received: kickoff, Body: []byte("x")})
		var table string
		if err := s.queryRow(t.Context(), `SELECT tableoid::regclass::text
			FROM document_bodies`).Scan(&table); err != nil || table != bodiesTable.name(dayOf(kickoff.UnixMilli())) {
			t.Errorf("kept in %s, %v", table, err)
		}
	})
}

// The tables of an earlier version, with documents in them, one of them twice.
func TestArchiveMigration(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		provider, err := s.migrations()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := provider.DownTo(ctx, 2); err != nil {
			t.Fatal(err)
		}
		for i, body := range []string{"a", "b", "a", "c", "a"} {
			_, err := s.write.ExecContext(ctx, s.dialect.sql(`INSERT INTO documents
				(provider, feed, match_id, headers, body, digest, received)
				VALUES ('opta', 'F9', 1, '{}', $1, $1, $2)`),
				[]byte(body), toMillis(kickoff.AddDate(0, 0, i)))
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := provider.Up(ctx); err != nil {
			t.Fatal(err)
		}
		list, err := s.Documents(ctx, goalcast.DocumentFilter{})
		if err != nil || len(list) != 3 {
			t.Fatalf("%d documents, %v", len(list), err)
		}
		for i, want := range []struct {
			body    string
			repeats int
		}{{"a", 2}, {"c", 0}, {"b", 0}} {
			d, err := s.Document(ctx, list[i].ID)
			if err != nil || string(d.Body) != want.body || d.Repeats != want.repeats || d.Size != 1 ||
				!d.Seen.Equal(d.Received) {
				t.Errorf("%+v, %v; want %v", d, err, want)
			}
		}
	})
}

// No step of the archive's migration looks at all documents for each document: an archive of a
// season would take hours.
func TestArchiveMigrationIsLinear(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "sqlite::memory:", testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	provider, err := s.migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	text, err := migrations.ReadFile("migrations/sqlite/00005_archive.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(text), "-- +goose Down")
	for statement := range strings.SplitSeq(regexp.MustCompile(`--.*`).ReplaceAllString(up, ""), ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		rows, err := s.write.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement)
		plan, err := collect(rows, err, func(row scanner) (detail string, err error) {
			var id, parent, unused int
			return detail, row.Scan(&id, &parent, &unused, &detail)
		})
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		inner := false // a subquery that is asked for every row
		for _, step := range plan {
			inner = inner || strings.Contains(step, "CORRELATED")
			// A match may have thousands of documents: to find those of the match is no help.
			if inner && (strings.HasPrefix(step, "SCAN") || strings.HasPrefix(step, "SEARCH") &&
				!strings.Contains(step, "digest=?")) {
				t.Errorf("%s\nis %q", strings.TrimSpace(statement), plan)
			}
		}
		if _, err := s.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
