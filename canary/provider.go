package canary

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// document is what the canary posts: that the match's one goal was scored at a time. Each replaces
// the one before, so that the match stays as small as it is.
type document struct {
	Time time.Time `json:"time"`
}

// feed is the one feed of the provider, and goalID the one event of the match.
const (
	feed   = "GOAL"
	goalID = "canary:goal"
)

// Provider reads the canary's documents: it implements ingest.Provider. It holds nothing.
type Provider struct{}

// Name is the last part of the feed's path.
func (Provider) Name() string { return goalcast.CanaryFeed }

// Sources tells nothing: nobody else tells of the match.
func (Provider) Sources() []merge.Source { return nil }

// Describe tells the match.
func (Provider) Describe(map[string]string, []byte) (string, goalcast.MatchID) {
	return feed, goalcast.CanaryMatch
}

// Checked says that whoever posts a document waits for whether it could be read.
func (Provider) Checked() {}

// Read turns a document into a reading.
func (Provider) Read(d goalcast.Document) (merge.Reading, error) {
	var doc document
	if err := json.Unmarshal(d.Body, &doc); err != nil {
		return merge.Reading{}, fmt.Errorf("not a document of the canary: %w", err)
	}
	if doc.Time.IsZero() {
		return merge.Reading{}, errors.New("not a document of the canary: it has no time")
	}
	at := doc.Time.UTC()
	fact := goalcast.Event{ID: goalID, Kind: goalcast.KindGoal, Status: goalcast.Confirmed, At: at,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
	return merge.Reading{Source: goalcast.CanaryFeed, Version: merge.Version{Time: at},
		Matches: []merge.MatchReading{{Match: goalcast.CanaryMatch, Facts: []goalcast.Event{fact}}}}, nil
}
