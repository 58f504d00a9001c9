package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"goalcast"
)

// What the API answers with, as far as pages show it: see docs/openapi.yaml.

type alarm goalcast.Alarm

// Advice says what to do next.
func (a alarm) Advice() advice { return adviceOn(a) }

// Problem says whether nobody takes care of it yet.
func (a alarm) Problem() bool { return a.Acked.IsZero() && a.Closed.IsZero() }

// sortAlarms puts what nobody takes care of first, then the newest.
func sortAlarms(list []alarm) {
	slices.SortStableFunc(list, func(a, b alarm) int {
		if a.Problem() != b.Problem() {
			if a.Problem() {
				return -1
			}
			return 1
		}
		return b.Opened.Compare(a.Opened)
	})
}

type team struct {
	ID   int64
	Name string
}

type match struct {
	ID          int64
	Home, Away  team
	Competition team
	Kickoff     time.Time
	State       goalcast.MatchState
	Period      goalcast.Period
	Clock       string
	Score       goalcast.Score
}

func (m match) Live() bool { return m.State == goalcast.Live }

// Started says whether there is a score to show.
func (m match) Started() bool { return m.State == goalcast.Live || m.State == goalcast.Finished }

// Name is both teams, or the number of a match whose teams nobody knows.
func (m match) Name() string {
	if m.Home.Name == "" && m.Away.Name == "" {
		return fmt.Sprintf("Match %d", m.ID)
	}
	return cmp.Or(m.Home.Name, "?") + " - " + cmp.Or(m.Away.Name, "?")
}

// Where says where the match stands, in a word.
func (m match) Where() string {
	switch {
	case m.Live() && m.Clock != "":
		return m.Clock + "'"
	case m.Live():
		return wordOf(string(m.Period))
	}
	return string(m.State)
}

type viewersAnswer struct {
	Viewers int
	Nodes   []struct {
		Node, Reason string
		Viewers      int
		Transports   map[string]int
		Limit        int
		Followed     int
		Age          float64 `json:"age_seconds"`
	}
	Matches []watched
	Topics  []struct {
		Topic, Name string
		Viewers     int
	}
}

type watched struct {
	Match    match
	Viewers  int
	Odds     int       `json:"odds_viewers"`
	Document time.Time `json:"last_document"`
}

// Playing are the matches that are on.
func (a viewersAnswer) Playing() (list []watched) {
	for _, m := range a.Matches {
		if m.Match.Live() {
			list = append(list, m)
		}
	}
	return list
}

type failedDocument struct {
	ID    int64
	At    time.Time
	Error string
}

type feed struct {
	Provider, Feed string
	Last           time.Time
	Document       int64
	Silent         time.Time `json:"silent_since"`
	Hour           int
	Failed         int             `json:"hour_failed"`
	Ignored        int             `json:"hour_ignored"`
	Waiting        int             `json:"hour_waiting"`
	LastFailed     *failedDocument `json:"last_failed"`
}

// Name is the provider and its feed.
func (f feed) Name() string {
	if f.Feed == "" {
		return f.Provider
	}
	return f.Provider + " " + f.Feed
}

type document struct {
	ID             int64
	Provider, Feed string
	Match          int64
	Headers        map[string]string
	Bytes          int
	SHA256         string
	Received       time.Time
	Repeats        int
	Seen           time.Time
	State          goalcast.DocumentState
	Error          string
	Attempts       int
}

type pushesAnswer struct {
	Pushes  []push
	Waiting struct{ Events, Audiences, Batches int }
	After   string
}

type push struct {
	Event             string
	Match             int64
	Revision          int
	State             string
	Since, Planned    time.Time
	Open              bool
	Kind, Title, Body string
	Batches           []pushCount
}

// Path is where the page of the push is; ids may have characters that matter in a path.
func (p push) Path() string { return Path + "pushes/" + url.PathEscape(p.Event) }

type pushFigures struct {
	push
	OpenBatches int `json:"open_batches"`
	Withheld    map[string]int
	Revisions   []struct {
		Revision, Devices, Waiting int
		Unsent                     map[string]int
		Services                   map[string]struct {
			Sent, Seen      int
			Removed         int
			Failed, Retried map[string]int
			P50             float64 `json:"p50_ms"`
			P99             float64 `json:"p99_ms"`
		}
		Batches []pushCount
	}
}

type pushCount struct {
	State, Reason string
	Batches       int
}

// Bad says whether phones did not get what they should have.
func (p pushCount) Bad() bool { return p.State == goalcast.BatchFailed }

type gatesAnswer struct {
	Gates   []goalcast.OddsGate
	Matches []struct {
		Match match
		Odds  *goalcast.Gate
	}
}

type queuesAnswer struct {
	Queues []struct {
		Name                            string
		Waiting, Delayed, Running, Dead int
		Oldest                          float64 `json:"oldest_seconds"`
	}
	Jobs []goalcast.JobState
}

// Dead counts what was given up.
func (a queuesAnswer) Dead() (n int) {
	for _, q := range a.Queues {
		n += q.Dead
	}
	return n
}

type eventPreview struct {
	Event   json.RawMessage
	Viewers *int
	Confirm string
}

func wordOf(code string) string {
	out := []rune(code)
	for i, c := range out {
		if c == '_' {
			out[i] = ' '
		}
	}
	return string(out)
}
