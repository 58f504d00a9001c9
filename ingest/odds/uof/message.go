package uof

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// The kinds of messages, named after their root elements. Others are passed over.
const (
	kindAlive              = "alive"
	kindSnapshotComplete   = "snapshot_complete"
	kindOddsChange         = "odds_change"
	kindBetStop            = "bet_stop"
	kindBetSettlement      = "bet_settlement"
	kindBetCancel          = "bet_cancel"
	kindRollbackSettlement = "rollback_bet_settlement"
	kindRollbackCancel     = "rollback_bet_cancel"
	kindFixtureChange      = "fixture_change"
)

// kinds lists those that are read.
var kinds = []string{kindAlive, kindSnapshotComplete, kindOddsChange, kindBetStop, kindBetSettlement, kindBetCancel,
	kindRollbackSettlement, kindRollbackCancel, kindFixtureChange}

// matchURN is how the ids of matches begin; other ids are of seasons, draws and virtual games.
const matchURN = "sr:match:"

// message is one message of the feed.
type message struct {
	kind       string
	producer   int
	event      string // "sr:match:123"; empty in alive and snapshot_complete
	at         int64  // the provider's time, ms since 1970 UTC
	request    int64  // of the recovery that it belongs to; 0 is none
	subscribed bool   // alive: we have what is needed
	groups     []string
	from, to   int64 // bet_cancel: bets placed in between, ms; 0 is no bound
	markets    []quote
}

// time is the provider's time.
func (m *message) time() time.Time { return moment(m.at) }

// moment turns the provider's time into ours; 0 is zero.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// quote is what a message says of one market.
type quote struct {
	id         int64
	specifiers string
	status     int64
	outcomes   []outcome
}

// outcome is what a message says of one outcome, as it is written.
type outcome struct {
	id, odds, active             string
	result, voidFactor, deadHeat string
}

// The provider's states of a market.
const (
	statusActive     = 1
	statusInactive   = 0
	statusSuspended  = -1
	statusHandedOver = -2 // to another producer
	statusSettled    = -3
	statusCancelled  = -4
	statusMissing    = math.MinInt64 // not said: as before
)

// read reads a message, which it takes over. Of messages that are passed over it has the kind only.
func read(text []byte) (message, error) {
	var m message
	err := walk(text, func(e *element) error {
		switch name := string(e.name); {
		case e.root:
			return m.header(e)
		case name == "market":
			return m.market(e)
		case name == "outcome" && len(m.markets) > 0:
			last := &m.markets[len(m.markets)-1]
			last.outcomes = append(last.outcomes, outcome{id: e.text("id"), odds: e.text("odds"),
				active: e.text("active"), result: e.text("result"), voidFactor: e.text("void_factor"),
				deadHeat: e.text("dead_heat_factor")})
		}
		return nil
	})
	return m, err
}

// header reads the root element.
func (m *message) header(e *element) error {
	m.kind = string(e.name)
	var product int64
	var errs [5]error
	product, errs[0] = e.number("product", 0)
	m.at, errs[1] = e.number("timestamp", 0)
	m.request, errs[2] = e.number("request_id", 0)
	if m.kind == kindBetCancel || m.kind == kindRollbackCancel {
		m.from, errs[3] = e.number("start_time", 0)
		m.to, errs[4] = e.number("end_time", 0)
	}
	m.producer = int(product)
	m.event = e.text("event_id")
	m.subscribed = e.text("subscribed") == "1"
	if groups := e.text("groups"); groups != "" {
		m.groups = strings.Split(groups, "|")
	}
	return errors.Join(errs[:]...)
}

func (m *message) market(e *element) error {
	id, err := e.number("id", -1)
	status, other := e.number("status", statusMissing)
	if err = errors.Join(err, other); err != nil {
		return err
	}
	if id < 0 {
		return fmt.Errorf("%w: a market without id", errNotWellFormed)
	}
	m.markets = append(m.markets, quote{id: id, specifiers: e.text("specifiers"), status: status})
	return nil
}
