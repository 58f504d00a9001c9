package goalcast

import (
	"fmt"
	"strconv"
	"strings"
)

// TopicKind says what a topic's id counts.
type TopicKind uint8

// The kinds of topic. The text of a topic is its kind, a colon and the id: "match:1009316".
const (
	MatchTopic       TopicKind = iota + 1 // "match": one match
	TeamTopic                             // "team": all matches of a team
	CompetitionTopic                      // "competition": all matches of a competition
	OddsTopic                             // "odds": the prices of a match; apart, since age and country rules differ
)

var topicKinds = [...]string{MatchTopic: "match", TeamTopic: "team", CompetitionTopic: "competition", OddsTopic: "odds"}

func (k TopicKind) String() string {
	if int(k) < len(topicKinds) {
		return topicKinds[k]
	}
	return "topic(" + strconv.Itoa(int(k)) + ")"
}

// HasStates says whether there are States of such a topic; StateKeys lists which.
func (k TopicKind) HasStates() bool { return k == MatchTopic || k == OddsTopic }

// Topic is what a viewer follows. It holds no pointer, so that millions of them cost the garbage collector nothing, and
// it is a map key. Its JSON and text form is "match:1009316".
type Topic struct {
	Kind TopicKind
	ID   int64
}

// ForMatch, ForTeam, ForCompetition and ForOdds name the topic of one thing.
func ForMatch(id MatchID) Topic             { return Topic{MatchTopic, int64(id)} }
func ForTeam(id TeamID) Topic               { return Topic{TeamTopic, int64(id)} }
func ForCompetition(id CompetitionID) Topic { return Topic{CompetitionTopic, int64(id)} }
func ForOdds(id MatchID) Topic              { return Topic{OddsTopic, int64(id)} }

// ParseTopic reads "match:1009316". Other text, an id of 0 or below, or one with leading zeros or a sign yields ErrBadTopic: a topic has one
// spelling.
func ParseTopic(text string) (Topic, error) {
	kind, id, _ := strings.Cut(text, ":")
	for k := MatchTopic; int(k) < len(topicKinds); k++ {
		if topicKinds[k] != kind {
			continue
		}
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n <= 0 || id[0] == '0' || id[0] == '+' {
			break
		}
		return Topic{k, n}, nil
	}
	return Topic{}, fmt.Errorf("%w %.40q: want match:, team:, competition: or odds: and a number", ErrBadTopic, text)
}

func (t Topic) String() string { return t.Kind.String() + ":" + strconv.FormatInt(t.ID, 10) }

// MarshalText makes a topic a string in JSON.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseTopic for JSON.
func (t *Topic) UnmarshalText(text []byte) error {
	got, err := ParseTopic(string(text))
	if err != nil {
		return err
	}
	*t = got
	return nil
}
