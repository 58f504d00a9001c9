package notify

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"goalcast"
)

// sample is a push as it may come: what templates are checked with and what a preview shows.
type sample struct {
	name  string
	facts facts
}

// samplePicture is as long as the address of a picture usually is.
const samplePicture = "https://clips.example.org/2026/03/14/900/5f1c7a90b3e24d6f8a1b2c3d/thumbnail-16x9-1280.jpg"

// samples has all that pushes can say, in the order of a match.
func samples() []sample {
	kickoff := time.Date(2026, time.March, 14, 19, 45, 0, 0, time.UTC)
	match := goalcast.Snapshot{ID: 900, Score: goalcast.Score{Home: 2, Away: 1},
		Fixture: goalcast.Fixture{Kickoff: kickoff, Competition: goalcast.Competition{ID: 5, Name: "Harbour League"},
			Home: goalcast.Team{ID: 1, Name: "Noordzand United"}, Away: goalcast.Team{ID: 2, Name: "Val-Rouge"}}}
	var out []sample
	add := func(name, kind string, change func(*facts)) {
		f := facts{kind: kind, match: match, score: match.Score}
		f.event = goalcast.Event{ID: "opta:2750311967", Match: 900, Revision: 1, Team: 2, Minute: 67, Clock: "67",
			Period: goalcast.SecondHalf, Player: &goalcast.Player{ID: 11, Name: "Joris Van den Wuyts"}}
		change(&f)
		out = append(out, sample{name, f})
	}
	period := func(name string, p goalcast.Period, change func(*facts)) {
		add(name, kindPeriod, func(f *facts) {
			f.event.Kind, f.event.Period, f.event.Team = goalcast.KindPeriod, p, 0
			f.event.Player, f.event.Clock = nil, ""
			change(f)
		})
	}
	status := func(name, status string) {
		add(name, kindStatus, func(f *facts) {
			f.status, f.event.Team, f.event.Player, f.event.Clock = status, 0, nil, ""
			f.event.Fixture = &goalcast.Fixture{Kickoff: kickoff.AddDate(0, 0, 9)}
		})
	}
	goal := func(kind goalcast.GoalType) func(*facts) {
		return func(f *facts) { f.event.Kind, f.event.Goal = goalcast.KindGoal, &goalcast.Goal{Type: kind} }
	}
	card := func(kind goalcast.CardType) func(*facts) {
		return func(f *facts) { f.event.Kind, f.event.Card = goalcast.KindCard, &goalcast.Card{Type: kind} }
	}
	none := func(*facts) {}

	add("line-ups", kindLineups, func(f *facts) {
		f.event.Kind, f.event.Period, f.event.Clock, f.event.Player = goalcast.KindLineup, goalcast.PreMatch, "", nil
		f.score = goalcast.Score{}
	})
	status("kick-off delayed", statusLate)
	period("kick-off", goalcast.FirstHalf, none)
	add("goal", kindGoal, goal(goalcast.OpenPlay))
	add("own goal", kindGoal, goal(goalcast.OwnGoal))
	add("goal from a penalty", kindGoal, goal(goalcast.PenaltyGoal))
	add("clip of a goal", kindClip, func(f *facts) {
		goal(goalcast.OpenPlay)(f)
		f.event.Clip = &goalcast.Clip{Thumbnail: samplePicture}
	})
	add("goal taken back", kindGoalOff, goal(goalcast.OpenPlay))
	add("goal that was none", kindGoalOff, none)
	add("red card", kindRed, card(goalcast.StraightRed))
	add("second yellow", kindRed, card(goalcast.SecondYellow))
	add("red card taken back", kindRedOff, card(goalcast.StraightRed))
	add("penalty", kindPenalty, none)
	add("penalty taken back", kindPenaltyOff, none)
	add("penalty missed", kindMissed, none)
	status("suspended", statusSuspended)
	status("resumed", statusResumed)
	period("half time", goalcast.HalfTime, none)
	period("second half", goalcast.SecondHalf, none)
	period("extra time", goalcast.FullTime90, none)
	period("shoot-out", goalcast.Shootout, none)
	period("full time", goalcast.FullTime, none)
	period("full time after extra time", goalcast.FullTime, func(f *facts) { f.extra = true })
	period("full time on penalties", goalcast.FullTime, func(f *facts) {
		f.extra, f.match.Shootout = true, &goalcast.Score{Home: 4, Away: 3}
	})
	add("highlights", kindSummary, func(f *facts) {
		f.event.Kind, f.event.Period, f.event.Team = goalcast.KindClip, goalcast.FullTime, 0
		f.event.Player, f.event.Clock = nil, ""
		f.event.Clip = &goalcast.Clip{Summary: true, Thumbnail: samplePicture}
	})
	status("abandoned", statusAbandoned)
	status("postponed", statusPostponed)
	status("new date", statusNewDate)
	status("result awarded", statusAwarded)
	return out
}

// gaps are what may be missing in a push, each with what takes it out.
var gaps = []struct {
	name string
	take func(*facts)
}{
	{"minute", func(f *facts) { f.event.Clock = "" }},
	{"player", func(f *facts) { f.event.Player = nil }},
	{"teams' names", func(f *facts) { f.match.Home.Name, f.match.Away.Name = "", "" }},
	{"competition's name", func(f *facts) { f.match.Competition.Name = "" }},
}

// without is the sample with gaps, which are bits of a number, and says which.
func (s sample) without(missing int) (facts, string) {
	f, name := s.facts, s.name
	for i, gap := range gaps {
		if missing&(1<<i) != 0 {
			gap.take(&f)
			name += ", no " + gap.name
		}
	}
	return f, name
}

// How much of a notification phones show, in characters, with names of the usual length.
const (
	maxTitle = 80
	maxBody  = 120
)

// check writes every sample in every language, with and without scores and with nothing, one thing
// or all missing that may be, and returns what is wrong with texts, one line each. It takes some
// 20 ms.
func (t Templates) check() error {
	var wrong []error
	for _, language := range languages {
		for _, s := range samples() {
			wrong = append(wrong, t.checkSample(s, language))
		}
	}
	return errors.Join(wrong...)
}

// checkSample returns the first thing that is wrong with a push in a language.
func (t Templates) checkSample(s sample, language string) error {
	missing := []int{0, 1<<len(gaps) - 1}
	for i := range gaps {
		missing = append(missing, 1<<i)
	}
	for _, m := range missing {
		for _, noScores := range []bool{false, true} {
			f, name := s.without(m)
			if noScores {
				name += ", no scores"
			}
			text, err := writer{t[language], language, nil, time.UTC, noScores}.write(f)
			if err == nil {
				err = text.check()
			}
			if err != nil {
				return fmt.Errorf("%s: %s in %s (%s): %w", fileOf(language), f.template(), language, name, err)
			}
		}
	}
	return nil
}

// check says what is wrong with the text of a sample.
func (t Text) check() error {
	for _, part := range []struct {
		name, text string
		most       int
	}{{"title", t.Title, maxTitle}, {"body", t.Body, maxBody}} {
		fault := ""
		switch length := utf8.RuneCountInString(part.text); {
		case strings.TrimSpace(part.text) == "":
			fault = "is empty"
		case strings.TrimSpace(part.text) != part.text, strings.Contains(part.text, "  "):
			fault = "has space at its ends, or two together"
		case strings.Contains(part.text, "<no value>"), strings.Contains(part.text, "%!"):
			fault = "lacks a value"
		case !utf8.ValidString(part.text):
			fault = "is not UTF-8"
		case length > part.most:
			fault = fmt.Sprintf("has %d characters, more than the %d that phones show", length, part.most)
		}
		if fault != "" {
			return fmt.Errorf("the %s %s: %q", part.name, fault, part.text)
		}
	}
	return nil
}

// Sample is a push as it may come, of a match that is made up.
type Sample struct {
	Name     string // "own goal"
	Kind     string // Content.Kind
	NoScores bool
	Message  Message // Platform, Language and the like say for whom
}

// Samples are pushes of all kinds, as a Sender gets them for devices of each language and platform,
// with and without scores, for a preview. Dates are in the given time zone.
func Samples(t Templates, zone *time.Location, platforms []string) ([]Sample, error) {
	n := &Notifier{cfg: Config{Templates: t, Zone: zone}, now: time.Now}
	var devices []goalcast.Device
	for _, language := range languages {
		for _, platform := range platforms {
			devices = append(devices, goalcast.Device{ID: 1, Platform: platform, Language: language})
		}
	}
	var out []Sample
	for _, s := range samples() {
		content, err := n.compile(goalcast.PushRecord{}, s.facts)
		if err != nil {
			return nil, err
		}
		for _, noScores := range []bool{false, true} {
			batch := goalcast.PushBatch{NoScores: noScores, Expires: n.now().Add(rowOf(content.Kind).ttl(
				n.cfg.withDefaults(), s.facts.event.Period))}
			for _, m := range compose(goalcast.PushClaim{Batch: batch}, content, devices) {
				out = append(out, Sample{s.name, content.Kind, noScores, m})
			}
		}
	}
	return out, nil
}
