package rest_test

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/identity"
	"goalcast/identity/identitytest"
	"goalcast/rest"
)

// openPrivate starts a house in which competition 23, that of match 1009316, is private, and match
// 7 of competition 5 is not. member may see it; guest may see another one.
func openPrivate(t *testing.T) (h *house, member, guest string, issuer *identitytest.Server) {
	t.Helper()
	issuer = identitytest.New(t)
	i := issuer.Issuer()
	i.Private = map[string]identity.Grant{"cup": {Claim: "groups", Values: []string{"friends"}},
		"staff": {Claim: "groups", Values: []string{"staff"}}}
	cfg := identity.Config{Issuers: []identity.Issuer{i}, Private: []identity.Group{
		{Name: "staff", Competitions: []goalcast.CompetitionID{99}},
		{Name: "cup", Competitions: []goalcast.CompetitionID{23}}}}
	v := identity.New(cfg, rest.Anonymous, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	h = open(t, func(c *rest.Config, d *rest.Deps) {
		c.Private = cfg.PrivateCompetitions()
		d.Authenticator = rest.TokenIdentity{Tokens: v}
	})
	h.with(func() {
		h.matches[7] = planned(7, kickoff, 174, 999, 5)
		h.states, h.texts = statsOf(1009316), map[int64]string{4: `{"id":"opta:4"}`}
	})
	withOdds(h)
	return h, as(issuer.Token(claims{"groups": []string{"friends"}})),
		as(issuer.Token(claims{"groups": []string{"staff"}})), issuer
}

// Of every public route with an id of something private nobody without the right is told that there
// is such a thing. What those with the right are served no cache keeps.
func TestEveryRouteHidesWhatIsPrivate(t *testing.T) {
	h, member, guest, issuer := openPrivate(t)
	ids := map[string]string{"matches": "1009316", "competitions": "23", "teams": "174", "players": "5"}
	asked := 0
	for route, need := range h.server.Rules() {
		method, path, _ := strings.Cut(route, " ")
		if need != goalcast.NoRole || !strings.Contains(path, "{id}") {
			continue
		}
		kind := strings.Split(path, "/")[2]
		if ids[kind] == "" {
			t.Errorf("%s: say here what of it is private", route)
			continue
		}
		asked++
		path = strings.Replace(path, "{id}", ids[kind], 1)
		made := strings.Replace(path, ids[kind], "4000001", 1)
		path, made = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "4"),
			regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(made, "4")
		_, first := h.send(t, method, path, "", member) // so that it is in every cache
		if first.status == http.StatusOK && first.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: %s", route, first.header.Get("Cache-Control"))
		}
		for _, header := range []string{"X: y", guest, as(anna)} {
			_, a := h.send(t, method, path, "", header)
			if kind == "teams" && !strings.HasSuffix(route, "/squad") { // a team is none of a competition's
				if a.status == http.StatusOK && strings.Contains(string(a.body), "1009316") {
					t.Errorf("%s: %s", route, a.body)
				}
				continue
			}
			_, none := h.send(t, method, made, "", header)
			if a.status != http.StatusNotFound || none.status != a.status || first.status != http.StatusOK {
				t.Errorf("%s, %.20s: %d, of what there is not %d, to a member %d", route, header, a.status, none.status,
					first.status)
			}
			id := regexp.MustCompile(`"request_id":"[^"]*"`)
			got, want := id.ReplaceAllString(string(a.body), ""), id.ReplaceAllString(string(none.body), "")
			if got != want {
				t.Errorf("%s: %s, of what there is not %s", route, got, want)
			}
			for _, header := range []http.Header{a.header, none.header} {
				header.Del("Date")
				header.Del("X-Request-Id")
				header.Del("Content-Length")
			}
			for name := range a.header {
				if got, want := a.header[name], none.header[name]; strings.Join(got, ",") != strings.Join(want, ",") {
					t.Errorf("%s: %s %q, of what there is not %q", route, name, got, want)
				}
			}
		}
		for _, path := range []string{path, made} { // a token that is none is refused, whatever there is
			_, a := h.send(t, method, path, "", as(issuer.Token(claims{"exp": time.Now().Add(-time.Hour).Unix()})))
			a.problem(t, http.StatusUnauthorized, "unauthorized")
		}
	}
	if asked < 7 {
		t.Errorf("only %d routes", asked)
	}
}

// Lists leave out what is private, page by page, and what others are served is not made of what
// those with the right see, in whichever order they come.
func TestListsLeaveOutWhatIsPrivate(t *testing.T) {
	h, member, guest, _ := openPrivate(t)
	h.with(func() {
		for i := range 5 {
			id := goalcast.MatchID(100 + i)
			h.matches[id] = planned(id, kickoff.Add(time.Duration(i)*time.Minute), 174, 999, 23)
		}
		h.matches[8] = planned(8, kickoff.Add(10*time.Minute), 174, 999, 5)
		h.matches[9] = planned(9, kickoff.Add(11*time.Minute), 174, 999, 0) // it may be of any
		h.matches[10] = planned(10, kickoff.Add(3*24*time.Hour), 174, 999, 23)
		h.matches[11] = planned(11, kickoff.Add(5*24*time.Hour), 174, 999, 5)
	})
	both := []string{"X: y", guest, member, member, guest, "X: y"}
	for _, header := range both {
		day := h.get(t, "/v1/matches?date="+kickoff.Format(time.DateOnly), header)
		team := h.get(t, "/v1/teams/174", header)
		for _, a := range []answer{day, team} {
			list := decode[listAnswer](t, a.body)
			hidden, shown := 0, 0
			for _, m := range list.Matches {
				switch m.ID {
				case 7, 8, 11:
					shown++
				default:
					hidden++
				}
			}
			if (hidden > 0) != (header == member) || shown < 2 {
				t.Errorf("%.20s: %s", header, a.body)
			}
			if got := a.header.Get("Cache-Control"); strings.HasPrefix(got, "public") == (header == member) &&
				header != guest {
				t.Errorf("%.20s: %s", header, got)
			}
			if !strings.Contains(strings.Join(a.header["Vary"], ","), "Authorization") {
				t.Errorf("Vary %q", a.header["Vary"])
			}
		}
		page := decode[struct {
			listAnswer
			More  bool
			After string
		}](t, h.get(t, "/v1/matches?limit=1&date="+kickoff.Format(time.DateOnly), header).body)
		if header != member && (len(page.Matches) != 1 || page.Matches[0].ID != 7 || !page.More) {
			t.Errorf("%.20s: %+v", header, page)
		}
		empty := decode[struct{ Next string }](t, h.get(t, "/v1/matches?date="+
			kickoff.Add(24*time.Hour).Format(time.DateOnly), header).body)
		want := kickoff.Add(5 * 24 * time.Hour)
		if header == member {
			want = kickoff.Add(3 * 24 * time.Hour)
		}
		if empty.Next != want.Format(time.DateOnly) {
			t.Errorf("%.20s: next %q, want %s", header, empty.Next, want.Format(time.DateOnly))
		}
	}
}

// A private competition is neither found nor listed, and no page is short for that.
func TestAPrivateCompetitionIsNotFound(t *testing.T) {
	h, member, guest, _ := openPrivate(t)
	h.with(func() {
		h.found = []goalcast.Found{{Kind: "competition", ID: 7, Name: "Coastal League"},
			{Kind: "competition", ID: 23, Name: "Coastal Cup"}}
	})
	for _, header := range []string{"X: y", member, guest, member, "X: y"} {
		for path, want := range map[string]string{"/v1/search?q=coastal": `"id":23`,
			"/v1/competitions?limit=2": `"id":23`, "/v1/competitions": `"id":23`} {
			a := h.get(t, path, header)
			if a.status != http.StatusOK || strings.Contains(string(a.body), want) != (header == member) {
				t.Errorf("%s, %.20s: %d %s", path, header, a.status, a.body)
			}
			if strings.Contains(path, "limit") && strings.Count(string(a.body), `"id":`) != 2 {
				t.Errorf("%s, %.20s: %s", path, header, a.body)
			}
		}
	}
}

// While the issuer is away nobody is told that there is nothing, whatever they ask for. Whoever
// shows no token needs no issuer.
func TestPrivateWhileTheIssuerIsAway(t *testing.T) {
	h, _, _, issuer := openPrivate(t)
	issuer.Down(true)
	issuer.Rotate()
	stranger := as(issuer.Token(claims{"groups": []string{"friends"}}))
	for _, path := range []string{"/v1/matches/1009316", "/v1/matches/7", "/v1/matches"} {
		h.get(t, path, stranger).problem(t, http.StatusServiceUnavailable, "unavailable")
	}
	if a := h.get(t, "/v1/matches/7"); a.status != http.StatusOK || a.header.Get("Cache-Control") == "no-store" {
		t.Errorf("%d %s", a.status, a.header.Get("Cache-Control"))
	}
}
