package notify

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"goalcast"
)

func clipEvent(revision int, clip goalcast.Clip) goalcast.Event {
	return goalcast.Event{ID: "wsc:1:900", Revision: revision, Kind: goalcast.KindClip, At: noon, Clip: &clip}
}

// Pushed are clips of goals and of the match that may be played where the users are, once.
func TestDecideClips(t *testing.T) {
	goal := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	goal.Goal.Type = goalcast.PenaltyGoal
	card := goalcast.Event{ID: "opta:2", Kind: goalcast.KindCard, Team: 2, Period: goalcast.FirstHalf, Minute: 30,
		At: noon, Card: &goalcast.Card{Type: goalcast.StraightRed}}
	off := goal
	off.Revision, off.Status = 2, goalcast.Cancelled
	of := goalcast.Clip{Of: "opta:1", Video: "v1"}
	at := func(e goalcast.Event, t time.Time) goalcast.Event {
		e.At = t
		return e
	}
	rights := func(include, exclude []string) goalcast.Event {
		clip := of
		clip.Include, clip.Exclude = include, exclude
		return clipEvent(1, clip)
	}
	list := func(events ...goalcast.Event) []goalcast.Event { return events }
	only := func(clip goalcast.Clip) goalcast.Event { return clipEvent(1, clip) }
	cut := of
	cut.Version, cut.Thumbnail = 2, "https://clips.example.org/2.jpg"
	cancelled := clipEvent(2, of)
	cancelled.Status = goalcast.Cancelled
	for name, tt := range map[string]struct {
		events       []goalcast.Event
		kind, reason string // of the last one
		country      string // empty for BE
	}{
		"of a goal":               {list(goal, only(of)), kindClip, "", ""},
		"of a goal before it":     {list(only(of)), "", "", ""},
		"at an address":           {list(goal, only(goalcast.Clip{Of: "opta:1", URL: "u"})), kindClip, "", ""},
		"not ready":               {list(goal, only(goalcast.Clip{Of: "opta:1"})), "", "", ""},
		"ready later":             {list(goal, only(goalcast.Clip{Of: "opta:1"}), clipEvent(2, of)), kindClip, "", ""},
		"of a goal taken back":    {list(goal, off, only(of)), "", "", ""},
		"of a card":               {list(card, only(goalcast.Clip{Of: "opta:2", Video: "v1"})), "", "", ""},
		"of nothing known":        {list(goal, only(goalcast.Clip{Video: "v1"})), "", "", ""},
		"of the match":            {list(only(goalcast.Clip{Summary: true, Video: "v1"})), kindSummary, "", ""},
		"a better cut":            {list(goal, only(of), clipEvent(2, cut)), "", "", ""},
		"taken back":              {list(goal, only(of), cancelled), "", "withdrawn_unseen", ""},
		"of hours ago":            {list(goal, at(only(of), noon.Add(-4*time.Hour))), "", "expired", ""},
		"made in the second half": {list(goal, at(only(of), noon.Add(-time.Hour))), kindClip, "", ""},
		"for us":                  {list(goal, rights([]string{"BE", "NL"}, nil)), kindClip, "", ""},
		"for others":              {list(goal, rights([]string{"NL"}, nil)), "", "", ""},
		"not for us":              {list(goal, rights(nil, []string{"BE"})), "", "", ""},
		"not for others":          {list(goal, rights(nil, []string{"NL"})), kindClip, "", ""},
		"for us, who are nowhere": {list(goal, rights(nil, []string{"NL"})), "", "", "-"},
		"for all":                 {list(goal, rights(nil, nil)), kindClip, "", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			country := "BE"
			if tt.country == "-" {
				country = ""
			}
			g, n, rec := newGame(), testNotifier(Config{Country: country}), goalcast.PushRecord{}
			var v verdict
			for _, e := range tt.events {
				if e = g.apply(e); e.Kind != goalcast.KindClip {
					continue
				}
				var err error
				if v, err = n.decide(rec, e, g.Snapshot, noon); err != nil {
					t.Fatal(err)
				}
				rec = v.record
			}
			if v.kind != tt.kind || v.reason != tt.reason {
				t.Errorf("%q, %q; want %q, %q", v.kind, v.reason, tt.kind, tt.reason)
			}
			text := onPhones(rec).Texts["en"]
			if v.kind == kindClip && text != (Text{"Video: 27' Noordzand 1-0 Val-Rouge", "Joris Wuyts (penalty)"}) ||
				v.kind == kindSummary && text != (Text{"Highlights: Noordzand 0-0 Val-Rouge", "Harbour League"}) {
				t.Errorf("%q", text)
			}
		})
	}
}

// Who was told of a clip of a goal, or of the match, hears nothing when another one takes its
// place.
func TestAnotherClipIsSilent(t *testing.T) {
	goal := goalEvent("opta:1", 1, 27, "Joris Wuyts")
	second := goalEvent("opta:2", 1, 40, "Joris Wuyts")
	at := func(id string, revision int, minute int64, clip goalcast.Clip) goalcast.Event {
		e := clipEvent(revision, clip)
		e.ID, e.Times.Received = id, noon.UnixMilli()+minute*60_000
		return e
	}
	gone := func(e goalcast.Event) goalcast.Event {
		e.Status = goalcast.Cancelled
		return e
	}
	summary, of := goalcast.Clip{Summary: true, Video: "v1"}, goalcast.Clip{Of: "opta:1", Video: "v1"}
	other, elsewhere := of, of
	other.Of, elsewhere.Exclude = "opta:2", []string{"BE"}
	list := func(events ...goalcast.Event) []goalcast.Event { return events }
	for name, tt := range map[string]struct {
		events []goalcast.Event // before the clip, a, that is pushed
		a      goalcast.Event
		silent bool
		tag    string
	}{
		"the first summary":    {nil, at("a", 1, 5, summary), false, "summary:900"},
		"the second":           {list(at("b", 1, 0, summary)), at("a", 1, 5, summary), true, "summary:900"},
		"in the first's place": {list(gone(at("b", 2, 5, summary))), at("a", 1, 5, summary), true, "summary:900"},
		"of two at once":       {list(gone(at("b", 1, 5, summary))), at("a", 1, 5, summary), false, "summary:900"},
		"after clips":          {list(at("b", 1, 0, of)), at("a", 1, 5, summary), false, "summary:900"},
		"the first of a goal":  {nil, at("a", 1, 5, of), false, "clip:900:opta:1"},
		"the second of it":     {list(at("b", 1, 0, of)), at("a", 1, 5, of), true, "clip:900:opta:1"},
		"of another goal":      {list(at("b", 1, 0, other)), at("a", 1, 5, of), false, "clip:900:opta:1"},
		"one for elsewhere":    {list(at("b", 1, 0, elsewhere)), at("a", 1, 5, of), false, "clip:900:opta:1"},
	} {
		g, n := newGame(), testNotifier(Config{Country: "BE"})
		g.apply(goal)
		g.apply(second)
		for _, e := range tt.events {
			g.apply(e)
		}
		v, err := n.decide(goalcast.PushRecord{}, g.apply(tt.a), g.Snapshot, noon.Add(5*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		content := onPhones(v.record)
		if !v.fresh || content.Silent != tt.silent || content.Tag != tt.tag {
			t.Errorf("%s: pushed %t, silent %t, tag %q", name, v.fresh, content.Silent, content.Tag)
		}
		m := compose(goalcast.PushClaim{Record: v.record}, content, []goalcast.Device{{Language: "en"}})[0]
		if m.Silent != tt.silent || m.Data["silent"] != strconv.FormatBool(tt.silent) {
			t.Errorf("%s: a message that is silent: %t, %s", name, m.Silent, m.Data["silent"])
		}
	}
}

func TestPicturesOfClips(t *testing.T) {
	for picture, ok := range map[string]bool{
		"https://clips.example.org/900/67.jpg?w=1280":                 true,
		"https://c.example.org/" + strings.Repeat("x", maxImage-22):   true,
		"https://c.example.org/" + strings.Repeat("x", maxImage-22+1): false,
		"http://clips.example.org/67.jpg":                             false,
		"https:///67.jpg":                                             false,
		"https://clips.example.org/%zz":                               false,
		"/67.jpg":                                                     false,
		"":                                                            false,
	} {
		if got := imageOf(&goalcast.Clip{Thumbnail: picture}); ok != (got == picture && got != "") || !ok && got != "" {
			t.Errorf("%q: %q", picture, got)
		}
	}
	if got := imageOf(nil); got != "" {
		t.Errorf("no clip: %q", got)
	}
}
