package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"goalcast"
)

func TestClipRecords(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if _, err := s.Clip(ctx, "a"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("clip a: %v, want ErrNotFound", err)
		}
		mine := errors.New("mine")
		err := s.UpdateClip(ctx, "a", func(record []byte) ([]byte, error) {
			if record != nil {
				t.Errorf("a new clip has the record %s", record)
			}
			return []byte(`{"state":"x"}`), mine
		})
		if !errors.Is(err, mine) {
			t.Errorf("refused: %v", err)
		}
		if _, err := s.Clip(ctx, "a"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("after a refusal: %v, want ErrNotFound", err)
		}
		record := `{"match":7,"event":"wsc:a","version":3,"video":"v1","job":"j1","state":"processing",` +
			`"attempts":2,"error":"caf\u00e9 \u0000","due":5000,"mine":[1]}`
		if err := s.UpdateClip(ctx, "a", func([]byte) ([]byte, error) { return []byte(record), nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Clip(ctx, "a"); err != nil || string(got) != record {
			t.Errorf("clip = %s, %v", got, err)
		}
		var match, version, attempts, due int64
		var state, video, job, event, text string
		if err := s.queryRow(ctx, `SELECT match_id, version, attempts, due, state, video, job, event, error FROM clips
			WHERE id = 'a'`).
			Scan(&match, &version, &attempts, &due, &state, &video, &job, &event, &text); err != nil {
			t.Fatal(err)
		}
		if match != 7 || version != 3 || attempts != 2 || due != 5000 || state != "processing" || video != "v1" ||
			job != "j1" || event != "wsc:a" || text != "café " {
			t.Errorf("columns: %d %d %d %d %q %q %q %q %q", match, version, attempts, due, state, video, job, event,
				text)
		}
		if id, err := s.ClipOfVideo(ctx, "v1"); err != nil || id != "a" {
			t.Errorf("clip of v1 = %q, %v", id, err)
		}
		for _, video := range []string{"", "v2"} {
			if id, err := s.ClipOfVideo(ctx, video); !errors.Is(err, goalcast.ErrNotFound) {
				t.Errorf("clip of video %q = %q, %v", video, id, err)
			}
		}
		if err := s.UpdateClip(ctx, "a", func([]byte) ([]byte, error) {
			return []byte("no JSON"), nil
		}); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("no JSON: %v", err)
		}
		if list, err := s.ClipsOf(ctx, 7); err != nil || len(list) != 1 || string(list[0]) != record {
			t.Errorf("clips of 7: %s, %v", list, err)
		}
	})
}

func TestDueClips(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for id, due := range map[string]int64{"later": 3000, "never": 0, "first": 1000, "second": 2000} {
			if err := s.UpdateClip(t.Context(), id, func([]byte) ([]byte, error) {
				return fmt.Appendf(nil, `{"due":%d}`, due), nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			before int64
			limit  int
			want   []string
		}{{1000, 9, nil}, {2500, 9, []string{"first", "second"}}, {9000, 2, []string{"first", "second"}},
			{9000, 9, []string{"first", "second", "later"}}} {
			got, err := s.DueClips(t.Context(), time.UnixMilli(tt.before), tt.limit)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("due before %d, at most %d: %v, %v; want %v", tt.before, tt.limit, got, err, tt.want)
			}
		}
	})
}

// TestClipIsChangedByOneAtATime counts in a record from many goroutines, the first of which has to
// make it.
func TestClipIsChangedByOneAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const writers, each = 6, 5
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range each {
					err := s.UpdateClip(t.Context(), "one", func(record []byte) ([]byte, error) {
						var r struct{ Attempts int }
						if record != nil {
							if err := json.Unmarshal(record, &r); err != nil {
								return nil, err
							}
						}
						return fmt.Appendf(nil, `{"attempts":%d}`, r.Attempts+1), nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got, err := s.Clip(t.Context(), "one"); err != nil || string(got) != fmt.Sprintf(`{"attempts":%d}`,
			writers*each) {
			t.Errorf("record = %s, %v", got, err)
		}
	})
}
