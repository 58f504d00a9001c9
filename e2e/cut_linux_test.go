package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goalcast/internal/testservers"
)

// TestNetworkCut has Redis on another machine and loses the network between it and a hub:
// nothing says so, packets are just gone. Viewers are told within 3 s and stay; what is
// published meanwhile reaches them in order when the network is back, and Redis sees two
// subscriptions, not one for each viewer.
func TestNetworkCut(t *testing.T) {
	const viewers, topics, toHub, toSource = 20, 30, 0, 1
	redis := testservers.NewRemoteRedis(t, 2)
	env := common.with("GOALCAST_DATABASE_URL=" + testservers.Postgres(t))
	source := start(t, env.with("GOALCAST_REDIS_URL="+redis.CableURL(toSource)), "serve", "--roles=ingest,rest")
	if err := source.tell(0); err != nil { // the stream exists
		t.Fatal(err)
	}
	price := pricer(t, redis.CableURL(toSource))
	node := start(t, env.with("GOALCAST_REDIS_URL="+redis.CableURL(toHub)), "serve", "--roles=hub")
	all := audience(t, node.public, viewers, topics).heard
	joined := fmt.Sprint(1+topics, " snapshots, hello")
	all("everybody to have joined", joined)
	if err := source.tell(1); err != nil {
		t.Fatal(err)
	}
	all("the network to be whole", joined+", rolling-1")
	subscribed, let := redis.Calls("subscribe"), node.metric("goalcast_hub_handshakes_total")

	redis.Cut(toHub)
	cut := joined + ", rolling-1, stale true"
	all("everybody to be told of the silence", cut)
	if why := node.readiness(); !strings.Contains(why, "503") || !strings.Contains(why, "silent") {
		t.Errorf("readiness while the network is cut: %s", why)
	}
	if silence := node.silence(t); silence > 5*time.Second { // 3 are promised; the machine may be busy
		t.Errorf("told after %v", silence)
	}
	published := ""
	for n := 2; n <= 31; n++ {
		if err := source.tell(n); err != nil {
			t.Fatal(err)
		}
		published += fmt.Sprint(", rolling-", n)
	}
	all("nothing to come", cut)

	redis.Mend(toHub)
	all("everybody to have all that was missed", cut+published+", stale false")
	node.waitReady()
	price(7)
	all("a price", cut+published+", stale false, version 7")
	if again := redis.Calls("subscribe") - subscribed; again < 2 || again > 2+2 {
		// one for events, one for all prices; each may be tried again
		t.Errorf("%d subscriptions after the cut, want one for events and one for states", again)
	}
	if more := node.metric("goalcast_hub_handshakes_total") - let; more != 0 {
		t.Errorf("%v viewers connected again", more)
	}
}
