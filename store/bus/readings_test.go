package bus

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goalcast"
	"goalcast/store/bus/bustest"
)

// values reads "!5 a1 b2": a gate, prices with their versions; "a3-" is one that is taken away.
func values(t *testing.T, text string) (list []goalcast.State) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		s := goalcast.State{Topic: goalcast.ForOdds(1), Key: word[:1], Value: []byte(`{}`)}
		if _, err := fmt.Sscanf(word[1:], "%d", &s.Version); err != nil {
			t.Fatal(word, err)
		}
		if strings.HasSuffix(word, "-") {
			s.Value = nil
		}
		list = append(list, s)
	}
	return list
}

func TestWhatComesWhileATopicIsRead(t *testing.T) {
	for what, test := range map[string]struct{ read, live, want string }{
		"nothing":                              {"!5 a1 b2", "", "!5 a1 b2"},
		"a price that is not read yet":         {"", "!5 a1", "!5 a1"},
		"a newer price":                        {"!5 a1 b2", "a3", "!5 a3 b2"},
		"an older price":                       {"!5 a3", "a1", "!5 a3"},
		"a price that is taken away":           {"!5 a1 b2", "a3-", "!5 b2"},
		"a gate that takes prices with it":     {"!5 a1 b2", "a3 !6", "!6"},
		"a gate and prices behind it":          {"!5 a1 b2", "!6 !7 a4", "!7 a4"},
		"the same gate once more":              {"!5 a1", "!5 b2", "!5 a1 b2"},
		"a newer gate, repeated":               {"!5 a1", "!6 b2 !6 c3", "!6 b2 c3"},
		"prices before a gate that is known":   {"!5 a9", "b2 !5", "!5 a9"},
		"prices before a gate that was passed": {"!7 a9", "b2 !6 c3 !7", "!7 a9"},
		"a topic without a gate":               {"a1", "b2 a3", "a3 b2"},
	} {
		t.Run(what, func(t *testing.T) {
			heard := &bustest.Recorder{States: map[string]goalcast.State{}}
			r := &reader{listener: heard, readings: readings{}}
			topic := []goalcast.Topic{goalcast.ForOdds(1)}
			r.state(goalcast.State{Topic: topic[0], Key: "z", Version: 1, Value: []byte(`{}`)}) // before it is read
			r.beginReading(topic)
			for _, s := range values(t, test.live) {
				r.state(s)
			}
			r.reread(topic[0], values(t, test.read))
			r.endReading(topic)
			var got []string
			for _, s := range heard.States {
				got = append(got, fmt.Sprint(s.Key, s.Version))
			}
			slices.Sort(got)
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if len(r.readings) > 0 {
				t.Errorf("%d readings left", len(r.readings))
			}
		})
	}
}
