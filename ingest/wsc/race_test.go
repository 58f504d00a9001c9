package wsc_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"goalcast/ingest/wsc"
	"goalcast/internal/testservers"
)

// TestTwoProcessesOneClip: the documents of one clip reach two processes at once, in any order and
// twice; the newest one counts in the end, in the record and for viewers.
func TestTwoProcessesOneClip(t *testing.T) {
	database := testservers.Postgres(t)
	first := newRig(t, setup{database: database, noPlayer: true, clips: wsc.Config{ShowRendition: true}})
	second := newRig(t, setup{database: database, noPlayer: true, clips: wsc.Config{ShowRendition: true}})
	first.goals(27)
	const versions = 8
	for round := range 4 {
		id := fmt.Sprint("clip", round)
		var wg sync.WaitGroup
		for _, r := range []*rig{first, second} {
			for _, v := range rand.Perm(versions) {
				wg.Go(func() {
					body, err := json.Marshal(webhook("update", v+1, func(c object) {
						c["id"], c["title"] = id, fmt.Sprint("version ", v+1)
					}))
					if err != nil {
						t.Error(err)
					}
					if _, err := r.ingest.Accept(t.Context(), "wsc", nil, body); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		e := first.clipsNow()["wsc:"+id+":77"]
		var r struct{ Version int }
		if err := json.Unmarshal([]byte(first.record(id)), &r); err != nil || r.Version != versions {
			t.Errorf("record %s, %v", first.record(id), err)
		}
		if e.Clip == nil || !e.Counts() || e.Clip.Title != fmt.Sprint("version ", versions) ||
			e.Clip.URL != fmt.Sprintf("https://cdn.example.org/v%d/wide.mp4", versions) {
			t.Errorf("clip %+v", e.Clip)
		}
	}
}
