package opta

import (
	"bytes"
	"path"
	"strings"

	"goalcast"
	"goalcast/ingest/letters"
)

// normalFeed gives one spelling of a feed's name: "F01", " f1" and "F1" are F1. Text that is no
// feed's name gives "".
func normalFeed(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	digits, ok := strings.CutPrefix(name, "F")
	digits = strings.TrimLeft(digits, "0")
	if !ok || digits == "" || len(digits) > 5 || digits[0] < '1' || digits[0] > '9' {
		return ""
	}
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return "F" + digits
}

// family joins the feeds that are one kind of document: F7, F8 and F9 are whole match documents and
// differ only in how many statistics they carry.
func family(feed string) string {
	switch feed {
	case "F8", "F9":
		return "F7"
	case "F13M": // F13 in another language
		return "F13"
	}
	return feed
}

// rootOf names the root element of a family that is read; "" for others.
func rootOf(family string) string {
	switch family {
	case "F1", "F3", "F7", "F40":
		return "SoccerFeed"
	case "F13":
		return "Commentary"
	case "F26":
		return "feed"
	case "F24":
		return "Games"
	}
	return ""
}

// ofOneMatch says whether a feed's documents are each of one match; others come
// without X-Meta-Game-Id.
func ofOneMatch(feed string) bool {
	switch feed {
	case "F1", "F3", "F26", "F40", "F42":
		return false
	}
	return true
}

// feedOfFile tells the feed from X-Meta-Default-Filename. F7 and F9 share a name, so "matchresults"
// tells nothing: only the body can.
func feedOfFile(name string) string {
	name = strings.ToLower(path.Base(name))
	has := func(prefix, suffix string) bool {
		return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
	}
	switch {
	case has("f24-", ".xml"):
		return "F24"
	case has("f42-", ".xml"):
		return "F42"
	case has("srml-", "-results.xml"):
		return "F1"
	case has("srml-", "-standings.xml"):
		return "F3"
	case has("srml-", "-squads.xml"):
		return "F40"
	case has("opta-", "-matchpreview.xml"):
		return "F2"
	case has("football_results.", ".xml"):
		return "F26"
	}
	return ""
}

// matchOfFile tells the match from a default file name:
// "srml-24-2011-f359299-matchresults.xml", "f24-23-2018-1009316-eventdetails.xml",
// "opta-359299-matchpreview.xml". 0 where the name tells none.
func matchOfFile(name string) goalcast.MatchID {
	parts := strings.Split(strings.ToLower(path.Base(name)), "-")
	if len(parts) < 3 {
		return 0
	}
	switch last := parts[len(parts)-1]; last {
	case "matchresults.xml", "eventdetails.xml", "matchpreview.xml":
		return goalcast.MatchID(id([]byte(parts[len(parts)-2])))
	}
	return 0
}

// sight is what the first elements of a body show.
type sight struct {
	root  string // name of the root element
	feed  string // F7 stands for its family; empty if unknown
	match goalcast.MatchID
}

// lookBytes is how much of a body look reads: header comments and the first two elements take less
// than 2 kB in all files seen.
const lookBytes = 16 << 10

// look reads the root element and its first child. It never fails; Read finds out what
// is wrong with a body.
func look(body []byte) sight {
	text, _ := letters.UTF16(body[:min(len(body), lookBytes)])
	r := newReader(bytes.ReplaceAll(fromFirstTag(text), []byte{0}, []byte{' '}))
	s := sight{root: r.root()}
	switch s.root {
	case "Games":
		s.feed = "F24"
	case "feed":
		s.feed = "F26"
	case "Commentary":
		s.feed, s.match = "F13", goalcast.MatchID(id(r.attr("game_id")))
		return s
	case "SoccerFeed":
	default:
		return s
	}
	first := true
	r.each(func() {
		if !first {
			r.stop()
			return
		}
		first = false
		switch r.name() {
		case "Game":
			s.match = goalcast.MatchID(id(r.attr("id")))
		case "SoccerDocument":
			s.feed = feedOfSRML(string(r.attr("Type")), r.attr("uID"))
			if s.feed == "F7" {
				s.match = goalcast.MatchID(id(r.attr("uID")))
			}
		}
		r.stop()
	})
	return s
}

// feedOfSRML tells the feed from SoccerDocument@Type; match documents ("Latest", "Result") are
// known by their uID, f and the match.
func feedOfSRML(kind string, uID []byte) string {
	switch {
	case strings.HasPrefix(kind, "RESULTS"):
		return "F1"
	case strings.HasPrefix(kind, "STANDINGS"):
		return "F3"
	case strings.HasPrefix(kind, "SQUADS"):
		return "F40"
	case len(uID) > 1 && uID[0] == 'f' && id(uID) != 0:
		return "F7"
	}
	return ""
}

// hasPlayerStats tells an F9 from an F7: players in the line-up have children there.
func hasPlayerStats(body []byte) bool {
	_, after, found := bytes.Cut(body, []byte("<MatchPlayer"))
	if !found {
		return false
	}
	tag, inside, _ := bytes.Cut(after, []byte(">"))
	return !bytes.HasSuffix(tag, []byte("/")) && bytes.HasPrefix(bytes.TrimSpace(inside), []byte("<Stat"))
}
