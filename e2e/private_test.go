package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/identity/identitytest"
)

// A private match and a public one, with one team in both. Only the private one's texts have the
// word "secret"; only those with the right may read it.
const (
	secretMatch, openMatch = goalcast.MatchID(9000000071), goalcast.MatchID(9000000072)
	secretCup, openLeague  = goalcast.CompetitionID(9000000073), goalcast.CompetitionID(9000000074)
	bothTeam               = goalcast.TeamID(9000000075)
)

const privateFile = `    private: {friends: {claim: groups, values: [members]}}
private: [{name: friends, competitions: [9000000073]}]
`

// privateRig posts both matches to a goalcast.
type privateRig struct {
	p    *process
	told map[goalcast.MatchID][]string // events so far
}

// tell posts a match with one event more, and waits until it is applied.
func (r *privateRig) tell(t *testing.T, match goalcast.MatchID, event string) {
	t.Helper()
	competition, cup, name := openLeague, "Sunday League", "open"
	if match == secretMatch {
		competition, cup, name = secretCup, "Secret Cup", "secret"
	}
	if event != "" {
		r.told[match] = append(r.told[match], fmt.Sprintf(`{"id":"%s-%d",%s}`, name, len(r.told[match])+1, event))
	}
	now := time.Now().UTC()
	body := fmt.Sprintf(`{"time":%q,"match":%d,"fixture":{"competition":{"id":%d,"name":%q},"kickoff":%q,
		"home":{"id":%d,"name":"Millpond Athletic"},"away":{"id":%d,"name":"Quarry Town"}},"events":[%s]}`,
		now.Format(time.RFC3339Nano), match, competition, cup, now.Add(-12*time.Minute).Format(time.RFC3339), bothTeam,
		bothTeam+goalcast.TeamID(match), strings.Join(r.told[match], ","))
	if got, text := ask(t, http.MethodPost, r.p.public+"/feeds/json?wait=30s", nil, body); got != http.StatusOK {
		t.Fatalf("%d: %s", got, text)
	}
}

const (
	kickoffEvent = `"kind":"period","period":"first_half"`
	finalWhistle = `"kind":"period","period":"full_time"`
)

func goalEvent(minute int) string {
	return fmt.Sprintf(`"kind":"goal","team":%d,"period":"first_half","minute":%d`, bothTeam, minute)
}

// spectator follows all topics of both matches by one way in, and notes what it reads of the
// private one.
type spectator struct {
	*viewer
	name   string
	member bool

	mu     sync.Mutex
	secret []string // frames
	prices int      // states of the private match's prices
	open   int      // events of the public match
}

// newSpectator joins with the token, or nobody's without one.
func newSpectator(t *testing.T, p *process, way, token string, member bool) *spectator {
	t.Helper()
	over := map[string]transport{"websocket": socketWith(token), "sse": overSSE, "poll": overPoll}[way]
	s := &spectator{name: way, member: member, viewer: newViewer(t, p.public, over, goalcast.ForMatch(secretMatch),
		goalcast.ForOdds(secretMatch), goalcast.ForCompetition(secretCup), goalcast.ForTeam(bothTeam),
		goalcast.ForMatch(openMatch))}
	if token != "" && way != "websocket" {
		header := bearer(token)
		header.Set("Content-Type", "application/json")
		status, text := ask(t, http.MethodPost, p.public+"/v1/live/ticket", header, `{"for":"stream"}`)
		var answer struct{ Ticket string }
		if err := json.Unmarshal([]byte(text), &answer); status != http.StatusCreated || err != nil {
			t.Fatalf("%d %s", status, text)
		}
		s.Topics += "&ticket=" + answer.Ticket
	}
	s.Also = func(f goalcast.Frame, text []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		priced := f.State != nil || len(f.States) > 0 // nobody else has any here
		if tellsSecret(text) || priced {
			s.secret = append(s.secret, string(text))
		}
		if priced && strings.Contains(string(text), `"home"`) {
			s.prices++
		}
		if f.Event != nil && f.Event.Match == openMatch {
			s.open++
		}
	}
	s.join()
	return s
}

// tellsSecret says whether a text has something of the private match.
func tellsSecret(text []byte) bool { return strings.Contains(strings.ToLower(string(text)), "secret") }

// socketWith is overWebSocket with a token as the subprotocol.
func socketWith(token string) transport {
	if token == "" {
		return overWebSocket
	}
	return func(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
		c, _, err := websocket.Dial(ctx, base+"/v1/live?topics="+topics+"&since="+since,
			&websocket.DialOptions{Subprotocols: []string{"goalcast", "bearer." + token}})
		if err != nil {
			return err
		}
		defer func() { _ = c.CloseNow() }()
		for {
			_, text, err := c.Read(ctx)
			if err != nil {
				return err
			}
			frame("", text)
		}
	}
}

// Without the right nobody reads anything of a private competition, on any way in, live or not, and
// no cache in front has any of it. With the right one reads all.
func TestPrivateCompetitionsOnEveryWayIn(t *testing.T) {
	t.Parallel()
	issuer := identitytest.New(t)
	p := startEmbedded(t, identityFile(t, issuer, privateFile)).hub
	member := issuer.Token(identitytest.Claims{"sub": "ann", "groups": []string{"members"}})
	fan := issuer.Token(identitytest.Claims{"sub": "bob", "groups": []string{"others"}})
	rig := &privateRig{p: p, told: map[goalcast.MatchID][]string{}}
	rig.tell(t, secretMatch, kickoffEvent)
	rig.tell(t, openMatch, kickoffEvent)

	var all []*spectator
	for way := range transports {
		for _, token := range []string{"", fan, member} {
			all = append(all, newSpectator(t, p, way, token, token == member))
		}
	}
	sees := func(what string, check func(*spectator) error) {
		t.Helper()
		for _, s := range all {
			waitFor(t, 60*time.Second, fmt.Sprintf("%s by %s, member %t", what, s.name, s.member), func() error {
				s.mu.Lock()
				defer s.mu.Unlock()
				return check(s)
			})
		}
	}
	pricesOf(t, p)
	sees("prices", func(s *spectator) error {
		if s.member && s.prices == 0 {
			return errors.New("none")
		}
		return nil
	})
	rig.tell(t, secretMatch, goalEvent(11))
	sees("the private goal", func(s *spectator) error {
		if s.member && !slices.ContainsFunc(s.secret, func(f string) bool { return strings.Contains(f, "secret-2") }) {
			return errors.New("not seen")
		}
		return nil
	})
	rig.tell(t, openMatch, goalEvent(12)) // behind all of that
	sees("the public goal", func(s *spectator) error {
		if s.open == 0 {
			return errors.New("not seen")
		}
		return nil
	})
	for _, s := range all {
		s.mu.Lock()
		if !s.member && len(s.secret) > 0 {
			t.Errorf("by %s somebody without the right was told\n%s", s.name, tail(strings.Join(s.secret, "\n"), 2000))
		}
		s.mu.Unlock()
	}
	bases := map[string]string{"direct": p.public}
	for name, f := range fronts {
		bases[name] = f.start(t, p.behind())
	}
	for name, base := range bases {
		t.Run(name, func(t *testing.T) { privateREST(t, base, member, fan) })
	}
	rig.tell(t, secretMatch, finalWhistle)
	replay := p.live(fmt.Sprintf("check=1&replay=kickoff&topics=%s", goalcast.ForMatch(secretMatch)))
	for token, want := range map[string]int{"": http.StatusNotFound, fan: http.StatusNotFound, member: 204} {
		if got, text := ask(t, http.MethodGet, replay, bearer(token), ""); got != want {
			t.Errorf("to be played again: %d %s, want %d", got, text, want)
		}
	}
}

// pricesOf has a bookmaker tell prices of the private match until the test ends.
func pricesOf(t *testing.T, p *process) {
	maker := &bookmaker{t: t, processes: []*process{p}}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	t.Cleanup(func() { stop(); working.Wait() })
	working.Go(func() { maker.work(ctx) })
	p.decide("posted", "4711", secretMatch)
}

// privateREST asks for everything by REST, each time the member first, so that it would be in every
// cache that kept it.
func privateREST(t *testing.T, base, member, fan string) {
	of := fmt.Sprintf("/v1/matches/%d", secretMatch)
	cup := fmt.Sprintf("/v1/competitions/%d", secretCup)
	at := time.Now().UTC().Format(time.RFC3339)
	found := map[string]bool{ // true: others have the answer too, without what is private
		of: false, of + "?seq=2": false, of + "?at=" + at: false, of + "/timeline": false, of + "/lineups": false,
		of + "/clips": false, of + "/odds": false, of + "/deltas/2": false, cup: false,
		cup + "/seasons": false, "/v1/matches": true, "/v1/matches?state=live": true,
		fmt.Sprintf("/v1/teams/%d", bothTeam): true, "/v1/competitions": true, "/v1/search?q=secret": true,
	}
	secret := regexp.MustCompile(fmt.Sprintf(`%d|%d|(?i:secret)`, secretMatch, secretCup))
	for path, others := range found {
		for _, token := range []string{member, "", fan, member, ""} {
			header := bearer(token)
			header.Set("Accept-Encoding", "identity")
			status, answer, body := answerTo(t, base+path, header)
			want := http.StatusOK
			if token != member && !others {
				want = http.StatusNotFound
			}
			told := secret.Match(body)
			if status != want || told != (token == member) {
				t.Errorf("%s, member %t: %d, want %d\n%s", path, token == member, status, want, tail(string(body), 500))
			}
			policy := answer.Get("Cache-Control")
			if told && policy != "private, no-store" {
				t.Errorf("%s: caches may keep what is private: %q", path, policy)
			}
			if !slices.ContainsFunc(answer.Values("Vary"), func(v string) bool {
				return strings.Contains(v, "Authorization")
			}) {
				t.Errorf("%s: Vary %q", path, answer.Values("Vary"))
			}
		}
	}
}

// answerTo is the answer to a request for something.
func answerTo(t *testing.T, url string, header http.Header) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}
