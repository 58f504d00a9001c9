package betfair

import (
	"encoding/json"
	"time"
)

// What a message is about ("op").
const (
	opConnection = "connection"
	opStatus     = "status"
	opChange     = "mcm"
)

// What kind of change a message has ("ct"); empty is a delta.
const (
	ctImage     = "SUB_IMAGE"
	ctResumed   = "RESUB_DELTA"
	ctHeartbeat = "HEARTBEAT"
)

// What part of a message this is ("segmentType"); empty is all of it.
const (
	segmentStart  = "SEG_START"
	segmentMiddle = "SEG"
	segmentEnd    = "SEG_END"
)

// message is a line of Betfair's. Fields that are not listed are ignored.
type message struct {
	Op string `json:"op"`
	ID int    `json:"id"`

	// status
	StatusCode       string `json:"statusCode"`
	ErrorCode        string `json:"errorCode"`
	ErrorMessage     string `json:"errorMessage"`
	ConnectionClosed bool   `json:"connectionClosed"`
	ConnectionID     string `json:"connectionId"`

	// mcm
	Change      string         `json:"ct"`
	Segment     string         `json:"segmentType"`
	InitialClk  string         `json:"initialClk"`
	Clk         string         `json:"clk"`
	PublishedMS int64          `json:"pt"`
	Status      int            `json:"status"` // 503: the stream is unreliable
	ConflateMS  int64          `json:"conflateMs"`
	HeartbeatMS int64          `json:"heartbeatMs"`
	Markets     []marketChange `json:"mc"`
	Delayed     bool           `json:"isMarketDataDelayed"`
}

// at is Betfair's time of the message; zero if it has none.
func (m *message) at() time.Time {
	if m.PublishedMS <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(m.PublishedMS).UTC()
}

// delayed says whether the message says of itself that it is not live.
func (m *message) delayed() bool {
	if m.Delayed {
		return true
	}
	for i := range m.Markets {
		if c := &m.Markets[i]; c.Delayed || c.Definition != nil && c.Definition.Delayed {
			return true
		}
	}
	return false
}

type marketChange struct {
	ID         string         `json:"id"`
	Image      bool           `json:"img"` // all prices that are not in it are gone
	Definition *definition    `json:"marketDefinition"`
	Runners    []runnerChange `json:"rc"`
	Delayed    bool           `json:"isMarketDataDelayed"`
}

// runnerChange is what changed of a selection. Back and Display are the offers to back, each
// [level, price, size], level 0 the best one; size 0 removes.
type runnerChange struct {
	ID       int64           `json:"id"`
	Handicap float64         `json:"hc"`
	Back     [][]json.Number `json:"batb"`
	Display  [][]json.Number `json:"bdatb"` // with virtual offers
}

// What a market can be ("status" of a definition).
const (
	statusOpen      = "OPEN"
	statusSuspended = "SUSPENDED"
	statusInactive  = "INACTIVE"
	statusClosed    = "CLOSED"
)

// definition is what a market is. Betfair always sends all of it. The names are in its recordings
// only, not in the stream.
type definition struct {
	Event       string             `json:"eventId"`
	EventName   string             `json:"eventName,omitempty"` // "Home v Away"
	Type        string             `json:"marketType"`
	Betting     string             `json:"bettingType,omitempty"`
	Status      string             `json:"status"`
	OpenDate    string             `json:"openDate,omitempty"`   // of the event
	MarketTime  string             `json:"marketTime,omitempty"` // when betting before the match ends
	Winners     int                `json:"numberOfWinners,omitempty"`
	Runners     []runnerDefinition `json:"runners"`
	Delayed     bool               `json:"isMarketDataDelayed,omitempty"`
	SettledTime string             `json:"settledTime,omitempty"`
}

// What a selection can be.
const (
	runnerActive  = "ACTIVE"
	runnerWinner  = "WINNER"
	runnerLoser   = "LOSER"
	runnerRemoved = "REMOVED"
)

type runnerDefinition struct {
	ID       int64   `json:"id"`
	Handicap float64 `json:"hc,omitempty"`
	Order    int     `json:"sortPriority"`
	Status   string  `json:"status"`
	Name     string  `json:"name,omitempty"`
}

func (r runnerDefinition) key() runner { return runner{r.ID, r.Handicap} }

// runner is a selection: its id, and its handicap where the market has several lines.
type runner struct {
	id       int64
	handicap float64
}

// Requests.

type authentication struct {
	Op      string `json:"op"` // "authentication"
	ID      int    `json:"id"`
	AppKey  string `json:"appKey"`
	Session string `json:"session"`
}

type subscription struct {
	Op          string     `json:"op"` // "marketSubscription"
	ID          int        `json:"id"`
	Segments    bool       `json:"segmentationEnabled"`
	Filter      Filter     `json:"marketFilter"`
	Data        dataFilter `json:"marketDataFilter"`
	HeartbeatMS int64      `json:"heartbeatMs"`
	ConflateMS  int64      `json:"conflateMs"`
	InitialClk  string     `json:"initialClk,omitempty"`
	Clk         string     `json:"clk,omitempty"`
}

type dataFilter struct {
	Levels int      `json:"ladderLevels"`
	Fields []string `json:"fields"`
}
