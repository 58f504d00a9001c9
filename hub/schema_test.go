package hub_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/oasdiff/yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"goalcast"
	"goalcast/hub"
)

// TestServedFramesFitTheSchema holds what the hub really sends, of every type, to
// docs/asyncapi.yaml.
func TestServedFramesFitTheSchema(t *testing.T) {
	text, err := os.ReadFile("../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{"hello": true, "snapshot": true, "event": true, "state": true, "reset": true,
		"stale": true, "error": true, "bye": true, "pong": true}

	w := newWorld()
	n := start(t, w, hub.Config{PingInterval: 500 * time.Millisecond, StateInterval: time.Millisecond,
		DrainTime: 100 * time.Millisecond}, false)
	w.fixture(1)
	w.state(1, "1x2/home", 1)
	conn := coder(t, n, query("match:1,team:10,competition:5,odds:1,match:77", goalcast.Cursor{Epoch: "gone",
		Offset: 1}))
	live := func() { // once it is in
		n.Stale(true)
		w.goal(1, 1)
		w.play(message(1, 1, 10))
		w.state(1, "1x2/home", 2)
		if err := conn.Write(context.Background(), websocket.MessageText,
			[]byte(`{"type":"dance","id":"x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	snapshots := 0
	drain := func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := n.Drain(ctx); err != nil {
			t.Error(err)
		}
	}
	var draining sync.WaitGroup
	leaving := false
	for {
		r, err := coderViewer{conn}.next(t)
		if err != nil {
			break
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(r.raw))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := c.Compile("asyncapi.json#/components/schemas/" + string(r.Type))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", r.raw, err)
		}
		delete(missing, string(r.Type))
		if r.Type == goalcast.FrameSnapshot {
			if snapshots++; snapshots == 5 {
				live()
			}
		}
		if len(missing) == 1 && missing["bye"] && !leaving { // all else was seen
			leaving = true
			draining.Go(drain)
		}
	}
	draining.Wait()
	if len(missing) > 0 {
		t.Errorf("never seen: %v", missing)
	}
}
