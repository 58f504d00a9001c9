package goalcast

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TopicKind says what a topic's id counts.
type TopicKind uint8

// The kinds of topic. The text of a topic is its kind, a colon and the id: "match:1009316".
const (
	MatchTopic       TopicKind = iota + 1 // one match
	TeamTopic                             // all matches of a team
	CompetitionTopic                      // all matches of a competition
	OddsTopic                             // the prices of a match; apart, since age and country rules differ
)

// TopicInfo is what a kind of topic has to offer.
type TopicInfo struct {
	Kind    TopicKind `json:"-"`
	Name    string    `json:"name"`    // in the text of a topic
	Events  bool      `json:"events"`  // it has a match's events, and whoever follows it can get pushes and messages
	Matches Matches   `json:"matches"` // what its snapshot shows
	// States lists the keys of its states. A key that ends with "/" is followed by more, and an
	// empty one stands for any: markets and outcomes are the provider's. The bus takes no others,
	// so that whoever produces one enters it here, where tests find it.
	States []string `json:"states"`
}

// Matches says what the snapshot of a topic shows of matches.
type Matches string

// What snapshots show.
const (
	NoMatches     Matches = "none"  // states only
	OneMatch      Matches = "one"   // the whole match of that id
	ListOfMatches Matches = "list"  // the matches near now, without line-ups
	ShortList     Matches = "short" // those, with events of listed kinds only
)

// Lists says whether it is a list of matches, of one length or the other.
func (m Matches) Lists() bool { return m == ListOfMatches || m == ShortList }

// TopicKinds lists all kinds of topic, in the order of their numbers. Whoever adds one adds its
// row; tests then name each place where something is missing.
var TopicKinds = []TopicInfo{
	{Kind: MatchTopic, Name: "match", Events: true, Matches: OneMatch, States: []string{StatsKey, CommentaryKey}},
	{Kind: TeamTopic, Name: "team", Events: true, Matches: ListOfMatches},
	{Kind: CompetitionTopic, Name: "competition", Events: true, Matches: ShortList, States: []string{TableKey}},
	{Kind: OddsTopic, Name: "odds", Matches: NoMatches, States: []string{""}},
}

// Info returns the row of TopicKinds; of an unknown kind an empty one.
func (k TopicKind) Info() *TopicInfo {
	if k == 0 || int(k) > len(TopicKinds) {
		return &unknownTopic
	}
	return &TopicKinds[k-1]
}

var unknownTopic = TopicInfo{Matches: NoMatches}

// HasStates says whether there are States of such a topic.
func (k TopicKind) HasStates() bool { return len(k.Info().States) > 0 }

// StatesOnly says whether snapshots of such a topic are of states and nothing else, as prices are.
func (k TopicKind) StatesOnly() bool { return k.HasStates() && k.Info().Matches == NoMatches }

func (k TopicKind) String() string {
	if name := k.Info().Name; name != "" {
		return name
	}
	return "topic(" + strconv.Itoa(int(k)) + ")"
}

// Topic is what a viewer follows. It holds no pointer, so that millions of them cost the garbage
// collector nothing, and it is a map key. Its JSON and text form is "match:1009316".
type Topic struct {
	Kind TopicKind
	ID   int64
}

// ForMatch, ForTeam, ForCompetition and ForOdds name the topic of one thing.
func ForMatch(id MatchID) Topic             { return Topic{MatchTopic, int64(id)} }
func ForTeam(id TeamID) Topic               { return Topic{TeamTopic, int64(id)} }
func ForCompetition(id CompetitionID) Topic { return Topic{CompetitionTopic, int64(id)} }
func ForOdds(id MatchID) Topic              { return Topic{OddsTopic, int64(id)} }

// ParseTopic reads "match:1009316". Other text, an id of 0 or below, or one with leading zeros or a
// sign yields ErrBadTopic: a topic has one spelling.
func ParseTopic(text string) (Topic, error) {
	name, id, _ := strings.Cut(text, ":")
	if i := slices.IndexFunc(TopicKinds, func(info TopicInfo) bool { return info.Name == name }); i >= 0 {
		n, err := strconv.ParseInt(id, 10, 64)
		if err == nil && n > 0 && id[0] != '0' && id[0] != '+' {
			return Topic{TopicKinds[i].Kind, n}, nil
		}
	}
	return Topic{}, fmt.Errorf("%w %.40q: want %s and a number", ErrBadTopic, text, topicNames())
}

// topicNames is "match:, team:, competition: or odds:".
func topicNames() string {
	var names strings.Builder
	for i, info := range TopicKinds {
		switch {
		case i == len(TopicKinds)-1:
			names.WriteString(" or ")
		case i > 0:
			names.WriteString(", ")
		}
		names.WriteString(info.Name + ":")
	}
	return names.String()
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
