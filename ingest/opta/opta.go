package opta

import (
	"encoding/hex"
	"errors"
	"fmt"

	"goalcast"
	"goalcast/ingest/merge"
)

// The sources of readings. F7 and F9 tell the same in more or less detail and replace one another.
const (
	sourceMatch = "opta:match"
	sourceF24   = "opta:f24"
	sourceF1    = "opta:f1"
	sourceF3    = "opta:f3"
	sourceF13   = "opta:f13"
	sourceF40   = "opta:f40"
	// sourceTicker is F26: it counts only while nothing better is known.
	sourceTicker = "opta:ticker"
)

// Errors of Read that a caller may want to tell apart. Others say what is wrong with the XML, or
// which attribute of which element is missing.
var (
	// ErrWrongFeed says that the headers name one feed and the body is another.
	ErrWrongFeed = errors.New("wrong feed type")
	// ErrEmpty says that a document has no body.
	ErrEmpty = errors.New("empty document")
)

// Provider reads Opta's documents; it implements ingest.Provider. New makes one.
type Provider struct{ clock clock }

// New returns the provider. All it holds is the time zone that Opta writes in.
func New() Provider { return Provider{clock: newClock()} }

// Sources tells how far each feed is trusted. F7 and F9 come first in what editors look after: who
// scored, when as fans say it, how. F24 is made by those who watch every event and has the exact
// second and the time of day, which F7 mostly lacks. F7 has no missed penalties.
func (Provider) Sources() []merge.Source {
	return []merge.Source{
		{Name: sourceMatch, WholeSeconds: true, Dates: true, Detailed: true,
			Omits: []goalcast.Kind{goalcast.KindMissedPenalty}},
		{Name: sourceF24, WholeSeconds: true, Exact: true, Detailed: true},
		{Name: sourceF1, WholeSeconds: true, Dates: true, Results: true},
		{Name: sourceTicker, WholeSeconds: true, Results: true, Unnumbered: true},
		{Name: sourceF40, WholeSeconds: true, Squads: true},
	}
}

// Name is "opta": documents come to /feeds/opta.
func (Provider) Name() string { return "opta" }

// Describe says which feed and match a document is of: by X-Meta-Feed-Type and X-Meta-Game-Id, else
// by the default file name, else by the first bytes of the body. headers have names in lower case.
// What none of them tells stays empty.
func (Provider) Describe(headers map[string]string, body []byte) (feed string, match goalcast.MatchID) {
	feed = normalFeed(headers["x-meta-feed-type"])
	match = goalcast.MatchID(id([]byte(headers["x-meta-game-id"])))
	if feed != "" && (match != 0 || !ofOneMatch(feed)) {
		return feed, match
	}
	name := headers["x-meta-default-filename"]
	if feed == "" {
		feed = feedOfFile(name)
	}
	if match == 0 {
		match = matchOfFile(name)
	}
	if feed != "" && (match != 0 || !ofOneMatch(feed)) {
		return feed, match
	}
	seen := look(body)
	if feed == "" {
		feed = seen.feed
		if feed == "F7" && hasPlayerStats(body) {
			feed = "F9"
		}
	}
	if match == 0 {
		match = seen.match
	}
	return feed, match
}

// Read says what a document tells. A feed that is not read yields merge.ErrUnread, a body that is
// not what its headers say ErrWrongFeed.
func (p Provider) Read(doc goalcast.Document) (merge.Reading, error) {
	feed := normalFeed(doc.Feed)
	if feed == "" {
		feed, _ = p.Describe(doc.Headers, doc.Body)
	}
	if len(doc.Body) == 0 {
		return merge.Reading{}, fmt.Errorf("opta %s: %w", feed, ErrEmpty)
	}
	seen := look(doc.Body)
	if feed == "" {
		return merge.Reading{}, fmt.Errorf("opta: neither headers nor body tell a feed; the root element is %.40q",
			seen.root)
	}
	if seen.feed != "" && family(seen.feed) != family(feed) {
		return merge.Reading{}, fmt.Errorf("opta: %w: the headers say %s, the body is %s", ErrWrongFeed, feed,
			seen.feed)
	}
	if rootOf(family(feed)) == "" {
		return merge.Reading{}, fmt.Errorf("opta %s: %w", feed, merge.ErrUnread)
	}
	reading, err := p.read(feed, doc)
	if err != nil {
		return merge.Reading{}, fmt.Errorf("opta %s: %w", feed, err)
	}
	return reading, nil
}

func (p Provider) read(feed string, doc goalcast.Document) (merge.Reading, error) {
	r, err := open(doc.Body)
	if err != nil {
		return merge.Reading{}, err
	}
	if root := r.root(); root != "" && root != rootOf(family(feed)) {
		return merge.Reading{}, fmt.Errorf("%w: the root element is %.40q", ErrWrongFeed, root)
	}
	var reading merge.Reading
	switch family(feed) {
	case "F1":
		reading, err = readF1(r, doc, p.clock)
	case "F7":
		reading, err = readMatch(r, doc, p.clock)
		reading.Variant = feed
	case "F24":
		reading, err = readF24(r, doc, p.clock)
	case "F3":
		reading, err = readF3(r, doc, p.clock)
	case "F13":
		reading, err = readF13(r, doc, p.clock)
	case "F26":
		reading, err = readF26(r, doc, p.clock)
	case "F40":
		reading, err = readF40(r, doc, p.clock)
	}
	if err != nil {
		return merge.Reading{}, err
	}
	reading.Version.Produced = r.produced()
	reading.Version.Sent = deliveryTime(doc.Headers["x-meta-production-server-timestamp"])
	if reading.Version.Edited.IsZero() {
		reading.Version.Edited = deliveryTime(doc.Headers["x-meta-last-updated"])
	}
	reading.Version.Digest = hex.EncodeToString(doc.Digest[:])
	reading.Mended.Join(r.mended)
	return reading, nil
}
