package ingest

import (
	"testing"

	"goalcast"
)

// A match that knows an event by the id of an earlier release keeps that id, whether documents come or it is rebuilt; other matches get the new one.
func TestEventsKeepTheIDsOfEarlierReleases(t *testing.T) {
	early := says(sourceF24, 27, fixture(), goal(1, home, 27, 5))
	rec, events, err := Revise(goalcast.MatchRecord{}, Reading{Source: early.source, Version: early.v}, early.m, 1)
	if err != nil || len(events) != 2 {
		t.Fatalf("%+v, %v", events, err)
	}
	former := early.m.Facts[0].ID
	late := says(sourceF24, 30, fixture(), goal(1, home, 28, 5), goal(2, home, 29, 5))
	late.m.Former = map[string]string{}
	for i := range late.m.Facts {
		was := late.m.Facts[i].ID
		late.m.Facts[i].ID = "scoped:" + was
		late.m.Former[late.m.Facts[i].ID] = was
	}
	rec, events, err = Revise(rec, Reading{Source: late.source, Version: late.v}, late.m, 2)
	if err != nil || rec.Snapshot.Score.Home != 2 || len(events) != 2 || events[0].ID != former || events[0].Revision != 2 || events[1].ID != late.m.Facts[1].ID {
		t.Errorf("%+v, %v", events, err)
	}
	if late.m.Facts[0].ID == former {
		t.Error("the reading was changed")
	}
	if _, events, err = Revise(goalcast.MatchRecord{}, Reading{Source: late.source, Version: late.v}, late.m, 2); err != nil || events[1].ID != late.m.Facts[0].ID {
		t.Errorf("in another match: %+v, %v", events, err)
	}
}
