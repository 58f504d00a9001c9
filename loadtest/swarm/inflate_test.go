package swarm

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

// packed compresses messages as one stream.
func packed(texts ...string) (list [][]byte) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	for _, text := range texts {
		b.Reset()
		_, _ = w.Write([]byte(text))
		_ = w.Flush()
		list = append(list, bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})))
	}
	return list
}

func sentence(n int) string {
	return fmt.Sprintf(`{"type":"event","number":%d,"text":"a corner for the harbour rovers, taken short; %d was the last one, and the keeper waits for number %d%s"}`, n*7919, n-1, n*n, strings.Repeat(" and waits", 30))
}

// TestInflate: a viewer who was told all understands all, and who was not told a message does not
// understand what refers to it.
func TestInflate(t *testing.T) {
	var texts []string
	for n := range 120 {
		texts = append(texts, sentence(n))
	}
	stream := packed(texts...)
	i := newInflater(true)
	follow := func(from *window, first int) *window {
		for n := first; n < len(stream); n++ {
			text, after, err := i.inflate(from, stream[n])
			if err != nil || string(text) != texts[n] {
				t.Fatalf("%d: %q, %v", n, text, err)
			}
			from = after
		}
		return from
	}
	last := follow(nil, 0)
	if len(last.text) != windowSize {
		t.Errorf("a window of %d bytes", len(last.text))
	}
	if follow(nil, 0) != last {
		t.Error("who was told the same has a window of its own")
	}
	other, _, err := i.inflate(nil, packed(strings.Repeat("0123456789", 10))[0])
	if err == nil {
		t.Errorf("no JSON: %q", other)
	}
	i.json = false
	_, after, err := i.inflate(nil, packed(strings.Repeat("0123456789", 10))[0])
	if err != nil {
		t.Fatal(err)
	}
	i.json = true
	for name, from := range map[string]*window{"nothing": nil, "something else": after} {
		for n := 1; n < 10; n++ {
			if text, _, err := i.inflate(from, stream[n]); err == nil {
				t.Errorf("%s was said before, but %d was understood: %s", name, n, text)
			}
		}
	}
	alone := packed(texts[5])[0] // what stands for itself is understood anywhere
	for _, from := range []*window{nil, after, last} {
		if text, _, err := i.inflate(from, alone); err != nil || string(text) != texts[5] {
			t.Errorf("%q, %v", text, err)
		}
	}
	late := after
	for _, text := range texts {
		if _, late, err = i.inflate(late, packed(text)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if late != last {
		t.Error("who was told something else, 32 kB ago, has a window of its own")
	}
	if len(i.known) > len(i.recent) || len(i.bySum) > len(i.recent) {
		t.Errorf("%d messages and %d windows are kept", len(i.known), len(i.bySum))
	}
}

// TestNotUnderstood: a viewer whose server refers to what it never said is lost and counted.
func TestNotUnderstood(t *testing.T) {
	s, err := Start(context.WithoutCancel(t.Context()),
		Config{URLs: []string{liar(t, WebSocket, true, []string{sentence(1), sentence(2), broken})}, Protocol: Plain,
			Conns: 3, Deflate: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Connect())
	c := await(t, s, "all are lost", func(c Stats) bool { return c.Lost+c.Failed >= 3 })
	if c.Frames < 6 || len(c.Errors) != 1 {
		t.Errorf("%+v", c)
	}
}
