package wsc_test

import (
	"reflect"
	"regexp"
	"testing"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove/brightcovetest"
)

// rebuild derives the match again, with what is kept of its clips, after its record was changed.
func (r *rig) rebuild(change func(*goalcast.MatchRecord)) []goalcast.Event {
	r.t.Helper()
	err := r.db.UpdateMatch(r.t.Context(), match, func(rec goalcast.MatchRecord) (goalcast.MatchRecord,
		[]goalcast.Event, error) {
		change(&rec)
		return rec, nil, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	done, err := ingest.NewRebuilder(r.ingest, r.db, wsc.Recall{Store: r.db, ShowRendition: r.cfg.clips.ShowRendition,
		Account: brightcovetest.Account}).Match(r.t.Context(), match)
	if err != nil || len(done.Failed) > 0 {
		r.t.Fatal(err, done.Failed)
	}
	return done.Events
}

func (r *rig) matchNow() goalcast.Snapshot {
	r.t.Helper()
	m, err := r.db.Match(r.t.Context(), match)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// A rebuild derives clips too: what was cut from its document, where it plays from its record.
func TestRebuildRecallsClips(t *testing.T) {
	lose := func(rec *goalcast.MatchRecord) { rec.Feeds = nil }
	for name, showRendition := range map[string]bool{"video": false, "rendition": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, setup{clips: wsc.Config{ShowRendition: showRendition}})
			r.goals(27)
			r.post("wsc", webhook("create", 1, nil))
			if !showRendition {
				r.playing(1)
			}
			if !r.shown() || !r.linked() {
				t.Fatalf("%+v", r.clip())
			}
			before := r.matchNow()
			if events := r.rebuild(lose); len(events) > 0 || !reflect.DeepEqual(r.matchNow(), before) {
				t.Errorf("memory lost: %+v", events)
			}
			// The memory is as good as the one before: the goal is taken back,
			// and its clip follows.
			r.goals(-27)
			if r.shown() {
				t.Error("the clip of a goal that was taken back is shown")
			}
			r.goals(27)
			if !r.shown() {
				t.Error("it did not come back")
			}
			jobs := len(r.vendor.Jobs())
			// A clip that a faulty reader made up.
			wrong := *r.clip()
			wrong.ID, wrong.Revision, wrong.Seq = "wsc:made-up:77", 1, r.matchNow().Seq+1
			err := r.db.UpdateMatch(t.Context(), match, func(rec goalcast.MatchRecord) (goalcast.MatchRecord,
				[]goalcast.Event, error) {
				rec.Snapshot = goalcast.Apply(rec.Snapshot, wrong)
				return rec, []goalcast.Event{wrong}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if events := r.rebuild(lose); len(events) != 1 || events[0].ID != wrong.ID || events[0].Counts() ||
				!r.shown() {
				t.Errorf("made up: %+v", events)
			}
			r.post("wsc", deletion(2))
			if events := r.rebuild(lose); len(events) > 0 || r.shown() {
				t.Errorf("deleted: %+v", events)
			}
			if n := len(r.vendor.Jobs()); n != jobs {
				t.Errorf("rebuilding made %d uploads", n-jobs)
			}
		})
	}
}

// A clip whose document is gone from the archive stays as it is known.
func TestRebuildKeepsClipsWithoutDocument(t *testing.T) {
	r := newRig(t, setup{clips: wsc.Config{ShowRendition: true}, noPlayer: true})
	r.goals(27)
	r.post("wsc", webhook("create", 1, nil))
	if !r.shown() {
		t.Fatal("no clip")
	}
	err := r.db.UpdateClip(t.Context(), goalClip, func(text []byte) ([]byte, error) {
		return regexp.MustCompile(`"document":\d+`).ReplaceAll(text, []byte(`"document":99999`)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := r.matchNow()
	if events := r.rebuild(func(*goalcast.MatchRecord) {}); len(events) > 0 || !reflect.DeepEqual(r.matchNow(),
		before) {
		t.Errorf("%+v", events)
	}
}
