package store

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"goalcast"
)

// A row that nobody can read (of a later version, or damaged) is missing from lists and refused for
// good by itself; the others are there.
func TestAnUnreadableRowHidesNoOther(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
		score(t, s, 5, 1)
		score(t, s, 6, 1)
		bad := keep(t, s, goalcast.Document{Provider: "opta", Body: []byte("<x/>"), Received: kickoff})
		keep(t, s, goalcast.Document{Provider: "opta", Body: []byte("<y/>"), Received: kickoff})
		for _, harm := range []string{`UPDATE matches SET snapshot = '{"id":"five"}' WHERE id = 5`, `UPDATE documents
			SET headers = '[1]' WHERE id = (SELECT MIN(id) FROM documents)`} {
			if _, err := s.write.ExecContext(ctx, harm); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := s.Matches(ctx, goalcast.MatchFilter{}); err != nil || len(list) != 1 || list[0].ID != 6 {
			t.Errorf("matches %v, %v; want 6 alone", list, err)
		}
		if list, err := s.MatchRecords(ctx, []goalcast.MatchID{5, 6}); err != nil || len(list) != 1 {
			t.Errorf("records %v, %v; want that of 6 alone", list, err)
		}
		if list, err := s.Documents(ctx, goalcast.DocumentFilter{}); err != nil || len(list) != 1 {
			t.Errorf("%d documents, %v; want one", len(list), err)
		}
		if d, err := s.Document(ctx, bad); !errors.Is(err, goalcast.ErrPermanent) || d.ID != bad {
			t.Errorf("document %+v, %v; want its number and ErrPermanent", d, err)
		}
		if _, err := s.Match(ctx, 5); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("match 5: %v, want ErrPermanent", err)
		}
		err := s.UpdateMatch(ctx, 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
			return r, goals(5, 3, 3), nil
		})
		if !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("update of match 5: %v, want ErrPermanent", err)
		}
	})
}
