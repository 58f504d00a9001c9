package fcm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

// Phones listen, and listen no more, and who listens to several topics of a message gets it once.
func TestTopics(t *testing.T) {
	fake, sender := start(t)
	phones := []string{"both", "one", "other", "gone"}
	fake.Forget("gone")
	listen := func(topic string, on bool, tokens ...string) []error {
		return sender.Listen(t.Context(), topic, tokens, on)
	}
	errs := listen("nl.team.1", true, phones...)
	if errs[0] != nil || errs[2] != nil || !errors.Is(errs[3], notify.ErrCannotListen) {
		t.Errorf("%v", errs)
	}
	if errs := listen("nl.team.2", true, "both"); errs[0] != nil {
		t.Error(errs)
	}
	if errs := listen("nl.team.1", false, "other"); errs[0] != nil {
		t.Error(errs)
	}
	if got := fake.Listens("both"); !slices.Equal(got, []string{"goalcast.follow.nl.team.1",
		"goalcast.follow.nl.team.2"}) || len(fake.Listens("other")) != 0 {
		t.Errorf("%q", got)
	}
	m := message("", "")
	m.Topics = []string{"nl.match.9", "nl.team.1", "nl.team.2", "nl.competition.5"}
	if r := sender.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Delivered {
		t.Errorf("%+v", r)
	}
	for token, want := range map[string]int{"both": 1, "one": 1, "other": 0, "gone": 0} {
		if shown := fake.Phone(token); len(shown) != want || want > 0 && shown[0].Sounds != 1 {
			t.Errorf("%s shows %+v", token, shown)
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// A call that fails fails for all its phones, and not for good; it is made once.
func TestTopicsFail(t *testing.T) {
	fake, sender := start(t)
	for name, f := range map[string]fcmtest.Failure{"ill": {Status: 503, Message: "Unavailable"},
		"busy": {Status: 429, Message: "RESOURCE_EXHAUSTED"}, "refused": {Status: 401}, "cut": {Drop: true}} {
		before := fake.Changes()
		fake.Fail(fcmtest.Topics, f)
		for i, err := range sender.Listen(t.Context(), "nl.team.1", []string{"a", "b"}, true) {
			if err == nil || errors.Is(err, notify.ErrCannotListen) {
				t.Errorf("%s: phone %d: %v", name, i, err)
			}
		}
		if n := fake.Changes() - before; n != 1 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// A message to topics has half the room: the text is shortened to fit.
func TestLongTextsToTopics(t *testing.T) {
	fake, sender := start(t)
	for i, long := range []string{strings.Repeat("Noordzand ", 300), strings.Repeat("𝄞", 900),
		strings.Repeat("\"", 3000)} {
		m := message("", "")
		m.Text.Body, m.Image = long, "https://clips.example.org/"+strings.Repeat("x", 120)
		m.Topics = []string{fmt.Sprint("nl.match.", i), "nl.team.1", "nl.team.2", "nl.competition.5"}
		m.Expires = time.Now().Add(time.Minute)
		if r := sender.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Delivered || !r.Shortened {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}
