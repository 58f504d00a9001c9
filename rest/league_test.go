package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// The fake's library: one of each, with every field set so that every field is held against the
// description.

func (f *fake) Standings(_ context.Context, id goalcast.CompetitionID, season string) (goalcast.Standings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "standings "+season)
	if id != 23 || season != "" && season != "2018" {
		return goalcast.Standings{}, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	record := goalcast.TableRecord{Position: 1, Played: 3, Won: 2, Drawn: 1, For: 5, Against: 1, Points: 4}
	return goalcast.Standings{Competition: goalcast.Competition{ID: 23, Name: "Example League"}, Season: "2018",
		Matchday: 3, Updated: kickoff,
		Groups: []goalcast.Table{{ID: "1", Name: "Group A", Matchday: 3,
			Rows: []goalcast.TableRow{{Team: goalcast.Team{ID: 174, Name: "Harbour"}, Position: 1, Before: 2,
				Total: record, Home: &record, Away: &record, Deducted: 3, Note: "appealed"}}}},
		Zones: []goalcast.TableZone{{Name: "Knock_Out", Teams: []goalcast.TeamID{174}}}}, f.err
}

func (f *fake) Squad(_ context.Context, team goalcast.TeamID, competition goalcast.CompetitionID,
	season string) (goalcast.Squad, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if team != 174 || competition != 0 && competition != 23 || season != "" && season != "2018" {
		return goalcast.Squad{}, cmp.Or(f.err, goalcast.ErrNotFound)
	}
	p := goalcast.SquadPlayer{Player: goalcast.Player{ID: 5, Name: "Wout Pypaertsz"}, Shirt: 9, Position: "striker",
		Role: "Second Striker", Born: "1999-01-02", Country: "Belgium",
		Height: 181, Joined: "2018-07-01"}
	left := p
	left.ID, left.LeftOn, left.NewTeam = 6, "2018-08-01", "Hilltop"
	return goalcast.Squad{Competition: goalcast.Competition{ID: 23}, Season: "2018",
		Team: goalcast.Team{ID: 174, Name: "Harbour"}, Short: "HAR", Founded: 1905,
		Stadium: &goalcast.Stadium{ID: 9, Name: "Pier Ground", City: "Harbour", Capacity: 25000},
		Players: []goalcast.SquadPlayer{p}, Left: []goalcast.SquadPlayer{left},
		Officials: []goalcast.SquadOfficial{{ID: 3, Name: "Cleo Reed", Role: "Manager", Country: "France",
			Joined: "2018-01-01"}}, Updated: kickoff}, f.err
}

func (f *fake) Commentary(_ context.Context, match goalcast.MatchID, language, after string,
	limit int) ([]goalcast.CommentaryLine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := []goalcast.CommentaryLine{
		{ID: "3", Type: "goal", Text: language + " 3", Period: goalcast.SecondHalf, Minute: 93, Second: 5,
			Clock: "90+3", Players: []goalcast.PlayerID{5}, Modified: kickoff.Add(time.Hour)},
		{ID: "2", Type: "lineup", Text: language + " 2"}, {ID: "1", Type: "lineup", Text: language + " 1"}}
	lines = lines[1+slices.IndexFunc(lines, func(l goalcast.CommentaryLine) bool { return l.ID == after }):]
	return lines[:min(limit, len(lines))], f.err
}

func (f *fake) CommentaryLanguages(_ context.Context, match goalcast.MatchID) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if match != 1009316 {
		return nil, f.err
	}
	return slices.Clone(f.languages), f.err
}

func TestCommentaryLanguages(t *testing.T) {
	h := open(t)
	for _, tt := range []struct {
		path     string
		have     []string
		status   int
		language string
		lines    int
		more     bool
	}{
		{"/v1/matches/1009316/commentary", []string{"de", "en", "nl"}, 200, "en", 3, false},
		{"/v1/matches/1009316/commentary", []string{"de", "nl"}, 200, "de", 3, false},
		{"/v1/matches/1009316/commentary?lang=nl&limit=2", []string{"de", "nl"}, 200, "nl", 2, true},
		{"/v1/matches/1009316/commentary?lang=fr", []string{"de", "nl"}, 404, "", 0, false},
		{"/v1/matches/1009316/commentary", nil, 404, "", 0, false},
		{"/v1/matches/8/commentary", []string{"en"}, 404, "", 0, false},
		{"/v1/matches/1009316/commentary?lang=n%20l", []string{"nl"}, 400, "", 0, false},
		{"/v1/matches/1009316/commentary?limit=501", []string{"nl"}, 400, "", 0, false},
		{"/v1/matches/x/commentary", []string{"nl"}, 404, "", 0, false},
	} {
		h.with(func() { h.languages = tt.have })
		h.clock.add(time.Minute) // past what is remembered
		a := h.get(t, tt.path)
		if a.status != tt.status {
			t.Errorf("%s: %d %s", tt.path, a.status, a.body)
		}
		var page struct {
			Language string
			Lines    []goalcast.CommentaryLine
			More     bool
		}
		if a.status != http.StatusOK {
			continue
		}
		if err := json.Unmarshal(a.body, &page); err != nil || page.Language != tt.language ||
			len(page.Lines) != tt.lines || page.More != tt.more {
			t.Errorf("%s: %s", tt.path, a.body)
		}
	}
}

func TestSquadsAndStandingsAreFoundOrNot(t *testing.T) {
	h := open(t)
	for path, status := range map[string]int{
		"/v1/competitions/23/standings": 200, "/v1/competitions/23/standings?season=2018": 200,
		"/v1/competitions/23/standings?season=1999": 404,
		"/v1/competitions/24/standings":             404, "/v1/competitions/0/standings": 404,
		"/v1/competitions/23/standings?season=%2F": 400, "/v1/competitions/23/standings?group=1": 400,
		"/v1/teams/174/squad": 200, "/v1/teams/174/squad?competition=23": 200,
		"/v1/teams/174/squad?competition=24": 404, "/v1/teams/1/squad": 404, "/v1/teams/174/squad?competition=x": 400,
	} {
		if a := h.get(t, path); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	// Asked again at once they are answered from memory.
	h.with(func() { h.asked = nil })
	h.get(t, "/v1/competitions/23/standings")
	h.with(func() {
		if len(h.asked) != 0 {
			t.Errorf("read again: %v", h.asked)
		}
	})
}

// tableOf is the state of a competition's table, with every field set.
func tableOf(competition goalcast.CompetitionID, season string) goalcast.State {
	value, err := json.Marshal(goalcast.Standings{Competition: goalcast.Competition{ID: competition,
		Name: "Example League"}, Season: season, Matchday: 3, Updated: kickoff, Live: true,
		Groups: []goalcast.Table{{Matchday: 3, Rows: []goalcast.TableRow{{Team: goalcast.Team{ID: 174, Name: "Harbour"},
			Position: 1, Before: 2, Total: goalcast.TableRecord{Played: 4, Won: 3, Drawn: 1, For: 6, Against: 1,
				Points: 7},
			Deducted: 3, Matches: []goalcast.MatchID{1009316}}}}}})
	if err != nil {
		panic(err)
	}
	return goalcast.State{Topic: goalcast.ForCompetition(competition), Key: goalcast.TableKey, Version: 12,
		Value: value}
}

func TestStandingsAsTheyStand(t *testing.T) {
	h := open(t)
	const path = "/v1/competitions/23/standings"
	type page struct {
		goalcast.Standings
		Version int64
	}
	ask := func(query string) (page, answer) {
		t.Helper()
		a := h.get(t, path+query)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		return decode[page](t, a.body), a
	}
	if p, a := ask("?live=true"); p.Live || p.Version != 0 || a.header.Get("Cache-Control") !=
		h.get(t, "/v1/matches?state=live").header.Get("Cache-Control") {
		t.Errorf("nothing is played: %s, %v", a.body, a.header)
	}
	h.with(func() { h.states = []goalcast.State{tableOf(23, "2018")} })
	h.clock.add(2 * time.Second)
	p, first := ask("?live=true")
	if !p.Live || p.Version != 12 || p.Groups[0].Rows[0].Total.Points != 7 ||
		p.Groups[0].Rows[0].Matches[0] != 1009316 {
		t.Errorf("as it stands: %s", first.body)
	}
	if a := h.get(t, path+"?live=true", "If-None-Match: "+first.header.Get("ETag")); a.status !=
		http.StatusNotModified {
		t.Errorf("the same again: %d", a.status)
	}
	for _, query := range []string{"", "?live=false"} {
		if p, a := ask(query); p.Live || p.Version != 0 || p.Groups[0].Rows[0].Total.Points != 4 {
			t.Errorf("as told: %s", a.body)
		}
	}
	if p, _ := ask("?live=true&season=2018"); p.Version != 12 {
		t.Error("the season by its name")
	}
	if a := h.get(t, path+"?live=true&season=1999"); a.status != http.StatusNotFound {
		t.Errorf("another season: %d", a.status)
	}
	if a := h.get(t, path+"?live=1"); a.status != http.StatusBadRequest {
		t.Errorf("live=1: %d", a.status)
	}
	h.with(func() { h.states[0].Value = json.RawMessage("null") })
	h.clock.add(2 * time.Second)
	if p, _ := ask("?live=true"); p.Live || p.Groups[0].Rows[0].Total.Points != 4 {
		t.Error("a day later")
	}
	h.with(func() { h.busErr = goalcast.ErrUnavailable })
	h.clock.add(2 * time.Second)
	h.get(t, path+"?live=true").problem(t, http.StatusServiceUnavailable, "unavailable")
	if a := h.get(t, path); a.status != http.StatusOK {
		t.Errorf("the provider's, without the bus: %d", a.status)
	}
}
