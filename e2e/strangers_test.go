package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// TestGoalsReachViewersWhileStrangersFillTheHouse: several times more connections than a process
// may have files for, all stuck, keep no goal from viewers, no document from its feed, no newcomer
// out and no operator waiting.
func TestGoalsReachViewersWhileStrangersFillTheHouse(t *testing.T) {
	t.Parallel()
	const (
		secret   = "secret-of-the-json-feed"
		files    = 256
		requests = 24 // that of so many files are for connections which are no viewer's
	)
	env := onFile(t, "GOALCAST_FEED_SECRETS=json="+secret)
	p := launchUnder(t, []string{"bash", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)}, env, "serve")
	p.waitReady()
	viewers := []*viewer{}
	join := func() {
		for _, over := range transports {
			v := newViewer(t, p.public, over, goalcast.ForMatch(9000000001))
			v.join()
			viewers = append(viewers, v)
		}
	}
	join()
	for i := range 4 * requests {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.public, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, err = io.WriteString(c, []string{
			"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "",
			"PUT /v1/me/follows/team:1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"GET /v1/live?topics=match:1 HTTP/1.1\r\nA: ",
			"POST /feeds/json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret +
				"\r\nContent-Length: 10\r\n\r\n",
		}[i%5])
		if err != nil {
			t.Fatal(err)
		}
	}
	join()
	now := time.Now().UTC()
	document := fmt.Sprintf(`{"time":%q,"match":9000000001,"fixture":{"competition":{"id":9000000001,"name":"Sunday"},
		"home":{"id":9000000011,"name":"Millpond"},"away":{"id":9000000012,"name":"Quarry"},"kickoff":%q},
		"events":[{"id":"goal-1","kind":"goal","team":9000000011,"period":"first_half","minute":20}]}`,
		now.Format(time.RFC3339), now.Add(-20*time.Minute).Format(time.RFC3339))
	if got, text := ask(t, http.MethodPost, p.public+"/feeds/json", bearer(secret), document); got != http.StatusOK {
		t.Fatalf("%d: %s", got, text)
	}
	for i, v := range viewers {
		v.waitEvents(20*time.Second, fmt.Sprintf("the goal at viewer %d", i), func(events []goalcast.Event) error {
			if len(events) == 0 {
				return errors.New("no event")
			}
			return nil
		})
	}
	if got, _ := ask(t, http.MethodGet, p.admin+"/healthz", bearer(""), ""); got != http.StatusOK {
		t.Errorf("an operator's request: %d", got)
	}
}
