package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"goalcast/ingest/odds"
)

// kind is the type of a line.
type kind string

// The types there are.
const (
	image   kind = "image"
	change  kind = "change"
	suspend kind = "suspend"
	settle  kind = "settle"
	alive   kind = "alive"
	down    kind = "down"
	fixture kind = "fixture"
	quota   kind = "quota"
)

var kinds = []kind{image, change, suspend, settle, alive, down, fixture, quota}

// The limits of what is in a line. The line's own length bounds them too; these bound what one
// market, key or name can be.
const (
	maxMarkets    = 1_000 // of a line
	maxSelections = 200   // of a market
	maxEventID    = 100   // bytes
	maxKey        = 100   // bytes
	maxName       = 200   // bytes, of a team or competition
	maxPriceText  = 40    // bytes
	maxQuota      = 1_000_000_000
)

// line is what a line says. Which fields are set its kind decides.
type line struct {
	kind        kind
	event       string
	at          time.Time
	markets     []odds.Market
	keys        []string // of the markets to suspend; none is all
	settlements []odds.Settlement
	fixture     odds.Fixture
	remaining   int
	limit       int // 0 if unknown

	doubts []doubt
}

// doubt is what is wrong with a market that is therefore told as suspended.
type doubt struct {
	market string
	reason reason // badPrice or badStatus
	err    error
}

// reason says why a line or market is refused; a label of counters, and the code in answers.
type reason string

// The reasons there are.
const (
	notJSON   reason = "json"
	badField  reason = "field" // one that is missing, unknown, there twice, of the wrong form or too long
	tooLong   reason = "too_long"
	badPrice  reason = "price"  // of a market: the rest of the line counts
	badStatus reason = "status" // of a market: the rest of the line counts
)

// field is a member of a line, by its place in fields.
type field int

const (
	fType field = iota
	fEvent
	fAt
	fMarkets
	fSettlements
	fCompetition
	fKickoff
	fHome
	fAway
	fRemaining
	fLimit
	fieldCount
)

var fields = [fieldCount]string{"type", "event", "at", "markets", "settlements", "competition", "kickoff", "home",
	"away", "remaining", "limit"}

// forms says which fields a line of a kind has.
var forms = map[kind]struct{ must, may []field }{
	image:   {must: []field{fEvent, fMarkets}, may: []field{fAt}},
	change:  {must: []field{fEvent, fMarkets}, may: []field{fAt}},
	suspend: {must: []field{fEvent}, may: []field{fAt, fMarkets}},
	settle:  {must: []field{fEvent, fSettlements}, may: []field{fAt}},
	alive:   {may: []field{fAt}},
	down:    {may: []field{fAt}},
	fixture: {must: []field{fEvent, fKickoff, fHome, fAway}, may: []field{fCompetition}},
	quota:   {must: []field{fRemaining}, may: []field{fLimit}},
}

// errNotJSON is the error for what is no JSON at all.
var errNotJSON = errors.New("not JSON in UTF-8")

// readLine reads one line. Errors: errNotJSON, or a *fieldError.
func readLine(text []byte) (line, error) {
	var l line
	if !utf8.Valid(text) || !json.Valid(text) {
		return l, errNotJSON
	}
	var raw [fieldCount][]byte
	c := cursor{text: text}
	err := c.object(int(fieldCount), func(name string) error {
		for f, known := range fields {
			if name == known {
				raw[f] = c.raw()
				return nil
			}
		}
		return wrong("there is no such field")
	})
	if err != nil {
		return l, err
	}
	if err := l.readForm(&raw); err != nil {
		return l, err
	}
	for f := fEvent; f < fieldCount; f++ {
		if raw[f] == nil {
			continue
		}
		if err := l.read(f, &cursor{text: raw[f]}); err != nil {
			return l, below(fields[f], err)
		}
	}
	if l.kind == fixture {
		l.fixture.Event = l.event
	}
	return l, nil
}

// readForm reads the line's type, and looks whether the fields are those that it has.
func (l *line) readForm(raw *[fieldCount][]byte) error {
	if raw[fType] == nil {
		return below("type", wrong("is missing"))
	}
	c := cursor{text: raw[fType]}
	name, err := c.string()
	if err != nil {
		return below("type", err)
	}
	form, known := forms[kind(name)]
	if !known {
		return below("type", wrong("want one of %v, not %q", kinds, cut(name)))
	}
	l.kind = kind(name)
	var has [fieldCount]bool
	has[fType] = true
	for _, f := range form.must {
		if has[f] = true; raw[f] == nil {
			return below(fields[f], wrong("is missing"))
		}
	}
	for _, f := range form.may {
		has[f] = true
	}
	for f, there := range raw {
		if there != nil && !has[f] {
			return below(fields[f], wrong("there is no such field in a line of type %s", l.kind))
		}
	}
	return nil
}

func (l *line) read(f field, c *cursor) (err error) {
	switch f {
	case fEvent:
		l.event, err = readEventID(c)
	case fAt:
		l.at, err = readTime(c)
	case fMarkets:
		if l.kind == suspend {
			l.keys, err = readKeys(c)
			return err
		}
		return l.readMarkets(c)
	case fSettlements:
		l.settlements, err = readSettlements(c)
	case fCompetition:
		l.fixture.Competition, err = readName(c)
	case fKickoff:
		l.fixture.Kickoff, err = readTime(c)
	case fHome:
		l.fixture.Home, err = readName(c)
	case fAway:
		l.fixture.Away, err = readName(c)
	case fRemaining:
		l.remaining, err = readCount(c)
	case fLimit:
		l.limit, err = readCount(c)
	}
	return err
}

func (l *line) readMarkets(c *cursor) error {
	err := c.list(maxMarkets, func() error {
		m, doubts, err := readMarket(c)
		if err != nil {
			return err
		}
		for i := range doubts {
			doubts[i].err = below("markets", below("["+strconv.Itoa(len(l.markets))+"]", doubts[i].err))
		}
		l.markets, l.doubts = append(l.markets, m), append(l.doubts, doubts...)
		return nil
	})
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(l.markets))
	for i, m := range l.markets {
		if seen[m.Key] {
			return below("["+strconv.Itoa(i)+"]", below("market", wrong("%s stands here twice", m.Key)))
		}
		seen[m.Key] = true
	}
	return nil
}

// readMarket reads a market. One whose status or prices make no sense is suspended, with a doubt.
func readMarket(c *cursor) (m odds.Market, doubts []doubt, err error) {
	var prices bool
	err = c.object(3, func(name string) (err error) {
		switch name {
		case "market":
			m.Key, err = readKey(c)
		case "status":
			var text string
			text, err = c.string()
			m.Status = odds.Status(text)
		case "prices":
			prices = true
			doubts, err = readPrices(c, &m)
		default:
			err = wrong("there is no such field")
		}
		return err
	})
	switch {
	case err != nil:
		return m, nil, err
	case m.Key == "":
		return m, nil, below("market", wrong("is missing"))
	}
	switch {
	case m.Status == "":
		doubts = append(doubts, doubt{reason: badStatus, err: below("status", wrong("is missing"))})
	case m.Status != odds.Open && m.Status != odds.Suspended && m.Status != odds.Closed:
		doubts = append(doubts, doubt{reason: badStatus,
			err: below("status", wrong("want open, suspended or closed, not %q", cut(string(m.Status))))})
	case m.Status == odds.Open && !prices:
		doubts = append(doubts, doubt{reason: badPrice, err: below("prices", wrong("are missing"))})
	}
	for i := range doubts {
		doubts[i].market = m.Key
	}
	if len(doubts) > 0 {
		m.Status = odds.Suspended
	}
	return m, doubts, nil
}

// readPrices reads the prices by selection: text, or a number, which is read as text too.
func readPrices(c *cursor, m *odds.Market) (doubts []doubt, err error) {
	err = c.object(maxSelections, func(name string) error {
		if err := checkKey(name); err != nil {
			return err
		}
		s := odds.Selection{Key: name}
		switch raw := c.raw(); raw[0] {
		case 'n': // no price now
		case '{', '[', 't', 'f':
			return wrong("want a price, not %s", shown(raw))
		case '"':
			s.Text = unquote(raw)
		default:
			s.Text = string(raw)
		}
		if s.Text != "" {
			var bad error
			if s.Price, bad = odds.ParsePrice(s.Text); bad != nil || len(s.Text) > maxPriceText {
				s.Price, s.Text = 0, cut(s.Text)
				doubts = append(doubts, doubt{reason: badPrice,
					err: below("prices", below(name, wrong("%q is no price from 1.001 to 1000000", s.Text)))})
			}
		}
		m.Selections = append(m.Selections, s)
		return nil
	})
	return doubts, err
}

func readKeys(c *cursor) (keys []string, err error) {
	err = c.list(maxMarkets, func() error {
		key, err := readKey(c)
		keys = append(keys, key)
		return err
	})
	if err == nil && len(keys) == 0 {
		err = wrong("is empty: leave it out to suspend all markets")
	}
	return keys, err
}

func readSettlements(c *cursor) (out []odds.Settlement, err error) {
	err = c.list(maxMarkets, func() error {
		s, err := readSettlement(c)
		out = append(out, s)
		return err
	})
	if err == nil && len(out) == 0 {
		err = wrong("is empty")
	}
	return out, err
}

func readSettlement(c *cursor) (s odds.Settlement, err error) {
	err = c.object(3, func(name string) (err error) {
		switch name {
		case "market":
			s.Market, err = readKey(c)
		case "results":
			s.Results, err = readResults(c)
		case "cancelled":
			s.Cancelled, err = readBool(c)
		default:
			err = wrong("there is no such field")
		}
		return err
	})
	switch {
	case err != nil:
	case s.Market == "":
		err = below("market", wrong("is missing"))
	case len(s.Results) == 0 && !s.Cancelled:
		err = below("results", wrong("are missing"))
	}
	return s, err
}

// readResults reads outcomes by selection: a word, or an object where there was a dead heat.
func readResults(c *cursor) (out []odds.Result, err error) {
	err = c.object(maxSelections, func(name string) (err error) {
		if err := checkKey(name); err != nil {
			return err
		}
		r := odds.Result{Selection: name}
		if c.next() != '{' {
			r.Outcome, err = readOutcome(c)
		} else {
			err = c.object(2, func(name string) (err error) {
				switch name {
				case "outcome":
					r.Outcome, err = readOutcome(c)
				case "dead_heat":
					r.DeadHeat, err = readShare(c)
				default:
					err = wrong("there is no such field")
				}
				return err
			})
			if err == nil && r.Outcome == "" {
				err = below("outcome", wrong("is missing"))
			}
		}
		out = append(out, r)
		return err
	})
	return out, err
}

func readOutcome(c *cursor) (odds.Outcome, error) {
	text, err := c.string()
	if err != nil {
		return "", err
	}
	switch o := odds.Outcome(text); o {
	case odds.Won, odds.Lost, odds.Void, odds.HalfWon, odds.HalfLost:
		return o, nil
	}
	return "", wrong("want won, lost, void, half_won or half_lost, not %q", cut(text))
}

// readShare reads a share of the stake above 0 and below 1, in thousandths rounded down.
func readShare(c *cursor) (odds.Price, error) {
	raw := c.raw()
	text := raw
	if raw[0] == '"' {
		text = []byte(unquote(raw))
	}
	// 0.25 is read as 1.25, less one
	if bytes.HasPrefix(text, []byte("0.")) {
		if p, err := odds.ParsePrice("1" + string(text[1:])); err == nil {
			return p - 1000, nil
		}
	}
	return 0, wrong("want a share of the stake from 0.001 to 0.999, not %s", shown(raw))
}

func readBool(c *cursor) (bool, error) {
	switch raw := c.raw(); string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, wrong("want true or false, not %s", shown(raw))
	}
}

func readKey(c *cursor) (string, error) {
	key, err := c.string()
	if err == nil {
		err = checkKey(key)
	}
	return key, err
}

func checkKey(key string) error {
	if !validKey(key) {
		return wrong("want 1 to %d letters of a-z, A-Z, 0-9 and ._:+-/, not %q", maxKey, cut(key))
	}
	return nil
}

func validKey(key string) bool {
	if key == "" || len(key) > maxKey {
		return false
	}
	for _, b := range []byte(key) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '.', b == '_', b == ':', b == '+', b == '-', b == '/':
		default:
			return false
		}
	}
	return true
}

// readEventID reads the provider's id of an event: visible ASCII.
func readEventID(c *cursor) (string, error) {
	id, err := c.string()
	if err == nil && !validEventID(id) {
		err = wrong("want 1 to %d visible letters of ASCII, not %q", maxEventID, cut(id))
	}
	return id, err
}

func validEventID(id string) bool {
	if id == "" || len(id) > maxEventID {
		return false
	}
	for _, b := range []byte(id) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}

func readName(c *cursor) (string, error) {
	name, err := c.string()
	if err != nil {
		return "", err
	}
	if name == "" || len(name) > maxName {
		return "", wrong("want text of 1 to %d bytes", maxName)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return "", wrong("has a control character")
		}
	}
	return name, nil
}

// The years that a time can be of. Seconds taken for milliseconds are of 1970.
const (
	firstYear = 2000
	lastYear  = 2100
)

// readTime reads milliseconds since 1970, or text like 2026-05-17T14:30:00Z.
func readTime(c *cursor) (time.Time, error) {
	raw := c.raw()
	var at time.Time
	if raw[0] == '"' {
		var err error
		if at, err = time.Parse(time.RFC3339, unquote(raw)); err != nil {
			return at, wrong("want a time like 2026-05-17T14:30:00Z or milliseconds since 1970, not %s", shown(raw))
		}
	} else {
		ms, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return at, wrong("want a time like 2026-05-17T14:30:00Z or milliseconds since 1970, not %s", shown(raw))
		}
		at = time.UnixMilli(ms)
	}
	at = at.UTC()
	if year := at.Year(); year < firstYear || year >= lastYear {
		return time.Time{}, wrong("want a time between the years %d and %d, not %s", firstYear, lastYear, shown(raw))
	}
	return at, nil
}

func readCount(c *cursor) (int, error) {
	raw := c.raw()
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || n > maxQuota {
		return 0, wrong("want a whole number from 0 to %d, not %s", maxQuota, shown(raw))
	}
	return n, nil
}

// about says what an unreadable line may have been about: an event, or all if it is empty. harmless
// says that it cannot have shut anything, whatever it was meant to say.
func about(text []byte) (event string, harmless bool) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return "", false
	}
	var raw [fEvent + 1][]byte
	c := cursor{text: text}
	err := c.object(maxStrange, func(name string) error {
		value := c.raw()
		for f := range raw {
			if name == fields[f] {
				raw[f] = value
			}
		}
		return nil
	})
	if err != nil {
		return "", false // no object, or a name stands there twice
	}
	word := func(f field) string {
		if raw[f] == nil || raw[f][0] != '"' {
			return ""
		}
		return unquote(raw[f])
	}
	switch kind(word(fType)) {
	case alive, fixture, quota:
		return "", true
	}
	if event = word(fEvent); !validEventID(event) {
		return "", false
	}
	return event, false
}

// maxStrange is how many members of a line that cannot be read are looked at.
const maxStrange = 100
