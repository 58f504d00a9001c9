package goalcast_test

import (
	"encoding/json"
	"fmt"

	"goalcast"
)

// The score is counted by the one reducer: a goal that is taken back leaves the timeline as it was
// told, and the score as it is.
func ExampleApply() {
	const home, away = 11, 12
	match := goalcast.Snapshot{ID: 7}
	for _, e := range []goalcast.Event{
		{ID: "a", Revision: 1, Kind: goalcast.KindFixture, Match: 7, Status: goalcast.Confirmed,
			Fixture: &goalcast.Fixture{Home: goalcast.Team{ID: home, Name: "KV Duinmeer"},
				Away: goalcast.Team{ID: away, Name: "RC Clairfays"}}},
		{ID: "b", Revision: 1, Kind: goalcast.KindGoal, Match: 7, Status: goalcast.Confirmed, Team: home, Minute: 12,
			Goal: &goalcast.Goal{}},
		{ID: "c", Revision: 1, Kind: goalcast.KindGoal, Match: 7, Status: goalcast.Confirmed, Team: away, Minute: 30,
			Goal: &goalcast.Goal{}},
		{ID: "b", Revision: 2, Kind: goalcast.KindGoal, Match: 7, Status: goalcast.Cancelled, Team: home, Minute: 12,
			Goal: &goalcast.Goal{}},
	} {
		match = goalcast.Apply(match, e)
		fmt.Printf("%s %d-%d %s\n", match.Home.Name, match.Score.Home, match.Score.Away, match.Away.Name)
	}
	// Output:
	// KV Duinmeer 0-0 RC Clairfays
	// KV Duinmeer 1-0 RC Clairfays
	// KV Duinmeer 1-1 RC Clairfays
	// KV Duinmeer 0-1 RC Clairfays
}

// A topic has one spelling.
func ExampleParseTopic() {
	for _, text := range []string{"match:1009316", "team:174", "match:0174"} {
		topic, err := goalcast.ParseTopic(text)
		fmt.Println(topic.ID, err)
	}
	// Output:
	// 1009316 <nil>
	// 174 <nil>
	// 0 bad topic "match:0174": want match:, team:, competition: or odds: and a number
}

// A client reads a frame, does what its type says, and keeps the cursor to go on from there.
func ExampleFrame() {
	text := `{"type":"event","cursor":"f3a-812","event":{"id":"opta:1","revision":1,"status":"confirmed","kind":"goal",
		"match":7,"topics":["match:7"],"minute":93,"clock":"90+3","goal":{"type":"penalty"},"score":{"home":2,"away":1},"times":{}}}`
	var frame goalcast.Frame
	if err := json.Unmarshal([]byte(text), &frame); err != nil {
		fmt.Println(err)
		return
	}
	switch frame.Type {
	case goalcast.FrameEvent:
		e := frame.Event
		fmt.Printf("%s: %s in minute %s, %d-%d\n", frame.Cursor, e.Kind, e.Clock, e.Score.Home, e.Score.Away)
	default: // clients ignore what they do not know
	}
	// Output: f3a-812: goal in minute 90+3, 2-1
}
