package goalcast_test

import (
	"encoding/json"
	"errors"
	"testing"

	"goalcast"
)

func TestParseTopic(t *testing.T) {
	for _, tt := range []struct {
		text string
		want goalcast.Topic
		err  error
	}{
		{text: "match:1009316", want: goalcast.ForMatch(1009316)},
		{text: "team:174", want: goalcast.ForTeam(174)},
		{text: "competition:23", want: goalcast.ForCompetition(23)},
		{text: "odds:1009316", want: goalcast.ForOdds(1009316)},
		{text: "match:9223372036854775807", want: goalcast.ForMatch(9223372036854775807)},
		{text: "", err: goalcast.ErrBadTopic},
		{text: "match", err: goalcast.ErrBadTopic},
		{text: "match:", err: goalcast.ErrBadTopic},
		{text: "match:0", err: goalcast.ErrBadTopic},
		{text: "match:-1", err: goalcast.ErrBadTopic},
		{text: "match:+1", err: goalcast.ErrBadTopic},
		{text: "match:01", err: goalcast.ErrBadTopic},
		{text: "match: 1", err: goalcast.ErrBadTopic},
		{text: "match:9223372036854775808", err: goalcast.ErrBadTopic},
		{text: "Match:1", err: goalcast.ErrBadTopic},
		{text: ":1", err: goalcast.ErrBadTopic},
		{text: "player:1", err: goalcast.ErrBadTopic},
		{text: "match:1:2", err: goalcast.ErrBadTopic},
	} {
		got, err := goalcast.ParseTopic(tt.text)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseTopic(%q) = %v, %v; want %v, %v", tt.text, got, err, tt.want, tt.err)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("%q came back as %q", tt.text, got)
		}
	}
}

func TestTopicIsAStringInJSON(t *testing.T) {
	text, err := json.Marshal([]goalcast.Topic{goalcast.ForTeam(7)})
	if err != nil || string(text) != `["team:7"]` {
		t.Fatalf("got %s, %v", text, err)
	}
	var back []goalcast.Topic
	if err := json.Unmarshal([]byte(`["team:7","nonsense"]`), &back); !errors.Is(err, goalcast.ErrBadTopic) {
		t.Fatalf("a bad topic in JSON: %v", err)
	}
}

func TestParseCursor(t *testing.T) {
	for _, tt := range []struct {
		text string
		want goalcast.Cursor
		err  error
	}{
		{text: ""},
		{text: "k3x9-1234", want: goalcast.Cursor{Epoch: "k3x9", Offset: 1234}},
		{text: "a-0", want: goalcast.Cursor{Epoch: "a"}},
		{text: "k3x9", err: goalcast.ErrBadCursor},
		{text: "k3x9-", err: goalcast.ErrBadCursor},
		{text: "-5", err: goalcast.ErrBadCursor},
		{text: "k3x9--5", err: goalcast.ErrBadCursor},
		{text: "K3-5", err: goalcast.ErrBadCursor},
		{text: "abcdefghijklmnopq-5", err: goalcast.ErrBadCursor},
		{text: "a-18446744073709551616", err: goalcast.ErrBadCursor},
		{text: "a b-5", err: goalcast.ErrBadCursor},
	} {
		got, err := goalcast.ParseCursor(tt.text)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseCursor(%q) = %v, %v; want %v, %v", tt.text, got, err, tt.want, tt.err)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("%q came back as %q", tt.text, got)
		}
	}
}

func TestClockText(t *testing.T) {
	for _, tt := range []struct {
		period goalcast.Period
		minute int
		want   string
	}{
		{goalcast.FirstHalf, 1, "1"},
		{goalcast.FirstHalf, 45, "45"},
		{goalcast.FirstHalf, 47, "45+2"},
		{goalcast.SecondHalf, 46, "46"},
		{goalcast.SecondHalf, 93, "90+3"},
		{goalcast.ExtraFirstHalf, 93, "93"},
		{goalcast.ExtraFirstHalf, 106, "105+1"},
		{goalcast.ExtraSecondHalf, 121, "120+1"},
		{goalcast.HalfTime, 45, ""},
		{goalcast.Shootout, 120, ""},
		{goalcast.FirstHalf, 0, ""},
	} {
		if got := goalcast.ClockText(tt.period, tt.minute); got != tt.want {
			t.Errorf("ClockText(%s, %d) = %q, want %q", tt.period, tt.minute, got, tt.want)
		}
	}
}
