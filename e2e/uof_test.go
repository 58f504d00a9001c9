package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/odds"
	"goalcast/ingest/odds/uof/uoftest"
	"goalcast/internal/samples"
)

// shows are the prices that a reader is shown: "event market selection".
func (r *reader) shows(events map[string]goalcast.MatchID) map[string]odds.Price {
	shown := map[string]odds.Price{}
	for event, match := range events {
		b, _ := r.sees(match)
		for key, market := range b {
			words := strings.Fields(market)
			for _, word := range words[1:] {
				selection, text, _ := strings.Cut(word, "=")
				var price odds.Price
				if _, err := fmt.Sscan(text, &price); err == nil {
					shown[event+" "+key+" "+selection] = price
				}
			}
		}
	}
	return shown
}

// TestEveryViewerHasTheBookOfANaiveUOFReader plays Sportradar's feed on a real RabbitMQ, which is
// killed in between: what is shown at every viewer is what a reader has that reads all messages.
func TestEveryViewerHasTheBookOfANaiveUOFReader(t *testing.T) {
	t.Parallel()
	provider := uoftest.Start(t)
	folder := t.TempDir()
	yaml := fmt.Sprintf("- name: book\n  kind: uof\n  url: %s\n  api: %s\n  token_file: %s/token\n", provider.AMQP,
		provider.API, folder)
	for name, text := range map[string]string{"token": uoftest.Token, "sources.yaml": yaml} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := startEmbedded(t, "GOALCAST_ODDS_SOURCES_FILE="+filepath.Join(folder, "sources.yaml")).hub
	// Until the groups of markets are known a bet stop of one suspends all.
	waitFor(t, time.Minute, "the groups to be asked for", func() error {
		if provider.Requests("/descriptions/en/markets.xml") == 0 {
			return errors.New("nobody has")
		}
		return nil
	})

	events := map[string]goalcast.MatchID{"sr:match:123": 9_000_000_350} // of the sample
	for n := range 8 {
		events[fmt.Sprint("sr:match:", 100+n)] = goalcast.MatchID(9_000_000_360 + n)
	}
	var topics []goalcast.Topic
	for event, match := range events {
		provider.Fixture(event, fmt.Sprintf(`<fixtures_fixture><fixture id=%q start_time="2026-03-14T21:00:00+01:00">`+
			`<competitors><competitor id="sr:competitor:1" name="Ajaks" qualifier="home"/>`+
			`<competitor id="sr:competitor:2" name="Hotspurs" qualifier="away"/></competitors></fixture></fixtures_fixture>`,
			event))
		topics = append(topics, goalcast.ForOdds(match))
		p.plan([]goalcast.MatchID{match})
	}
	anything := func(goalcast.MatchID, string, string) bool { return true }
	readers := []*reader{newReader(t, "WebSocket", p.public, overWebSocket, topics, anything),
		newReader(t, "event stream", p.public, overSSE, topics, anything)}
	shown := func(what string, want map[string]odds.Price) {
		t.Helper()
		waitFor(t, 90*time.Second, what, func() error {
			for _, r := range readers {
				if got := r.shows(events); !maps.Equal(got, want) {
					return fmt.Errorf("%s:\n%v\nwant\n%v", r.name, got, want)
				}
			}
			return nil
		})
	}

	random := rand.New(rand.NewPCG(5, 6))
	provider.Play(random, 200)
	t.Run("the provider's own", func(t *testing.T) {
		change := string(samples.Read(t, "odds/uof/odds_change-0.xml"))
		market := regexp.MustCompile(`(?s)<odds>.*</odds>`).FindString(change)
		provider.Say("odds_change", 1, "sr:match:123", "", market)
	})
	told := uoftest.Naive(t, provider.Said())
	for event, match := range events {
		for key := range told {
			if strings.HasPrefix(key, event+" ") {
				p.decide("book", event, match)
				break
			}
		}
	}
	shown("the first half", told)
	provider.KillQueue()
	shown("the feed is gone", map[string]odds.Price{})
	provider.Play(random, 100)
	provider.StartQueue()
	provider.Play(random, 100)
	if told = uoftest.Naive(t, provider.Said()); len(told) < 20 {
		t.Errorf("%d prices are too few to be sure", len(told))
	}
	shown("the second half", told)
}
