package goalcast

import "time"

// What is told around matches: tables, squads, commentary. It is kept and served by REST; it is no
// event, since nobody has to hear each change of it.

// Standings are the tables of a competition's season as the provider tells them. Nothing in them is
// computed: points may have been deducted, and the order may follow rules of the competition. Those
// that AsItStands made are the provider's with what was played since.
type Standings struct {
	Competition Competition `json:"competition"`
	Season      string      `json:"season"` // the provider's id: "2011" for 2011/12
	Matchday    int         `json:"matchday,omitempty"`
	Groups      []Table     `json:"groups"` // one where there are no groups
	Zones       []TableZone `json:"zones,omitempty"`
	Updated     time.Time   `json:"updated"`        // of the document, UTC
	Live        bool        `json:"live,omitempty"` // a match was added that the document does not hold yet
	Edition     Edition     `json:"-"`
}

// Table is one group's table, or the whole competition's, in order.
type Table struct {
	ID       string     `json:"id,omitempty"` // the provider's; empty where there are no groups
	Name     string     `json:"name,omitempty"`
	Matchday int        `json:"matchday,omitempty"`
	Rows     []TableRow `json:"rows"`
}

// TableRow is a team's line. Home and Away are missing where the provider does not tell them.
type TableRow struct {
	Team     Team         `json:"team"`
	Position int          `json:"position"`
	Before   int          `json:"position_before,omitempty"` // at the start of the day
	Total    TableRecord  `json:"total"`
	Home     *TableRecord `json:"home,omitempty"`
	Away     *TableRecord `json:"away,omitempty"`
	// points taken away, where told; Total.Points is without them already
	Deducted int    `json:"deducted,omitempty"`
	Note     string `json:"note,omitempty"` // the provider's words on the row, where told
	// those that were added to what the provider told, by kick-off; see AsItStands
	Matches []MatchID `json:"matches,omitempty"`
}

// TableRecord counts a team's matches.
type TableRecord struct {
	Position int `json:"position,omitempty"` // in the table of home or away matches alone
	Played   int `json:"played"`
	Won      int `json:"won"`
	Drawn    int `json:"drawn"`
	Lost     int `json:"lost"`
	For      int `json:"for"`
	Against  int `json:"against"`
	Points   int `json:"points"`
}

// TableZone is what some places are for: "Champions_League_Qualifying". Teams may be empty
// while nobody is in it.
type TableZone struct {
	Name  string   `json:"name"`
	Teams []TeamID `json:"teams"`
}

// SquadList is who plays for which team in a competition's season.
type SquadList struct {
	Competition Competition
	Season      string
	Squads      []Squad
	Edition     Edition
}

// Squad is a team with its people. A team that stands for another yet to be known ("Group A
// Winner") has no players.
type Squad struct {
	Competition Competition   `json:"competition"`
	Season      string        `json:"season"`
	Team        Team          `json:"team"`
	Short       string        `json:"short,omitempty"` // three letters or so
	Founded     int           `json:"founded,omitempty"`
	Stadium     *Stadium      `json:"stadium,omitempty"`
	Players     []SquadPlayer `json:"players"`
	// those who left in the season; some stand in Players too: then the provider says both
	Left      []SquadPlayer   `json:"left,omitempty"`
	Officials []SquadOfficial `json:"officials,omitempty"`
	Updated   time.Time       `json:"updated"` // of the document, UTC
}

// Stadium is where a team plays at home.
type Stadium struct {
	ID       int64  `json:"id,omitempty"`
	Name     string `json:"name"`
	City     string `json:"city,omitempty"`
	Capacity int    `json:"capacity,omitempty"`
}

// SquadPlayer is a player in a squad. Dates are as told: "2011-08-01".
type SquadPlayer struct {
	Player
	Shirt    int    `json:"shirt,omitempty"`
	Position string `json:"position,omitempty"` // as in LineupPlayer
	Role     string `json:"role,omitempty"`     // the provider's finer word: "Centre Back"
	Born     string `json:"born,omitempty"`
	Country  string `json:"country,omitempty"`
	Height   int    `json:"height_cm,omitempty"`
	Joined   string `json:"joined,omitempty"`
	LeftOn   string `json:"left_on,omitempty"`  // for those who left
	NewTeam  string `json:"new_team,omitempty"` // where they went
}

// SquadOfficial is a coach or another who works for the team. Role is the provider's word:
// "Manager", "Trainer".
type SquadOfficial struct {
	ID      int64  `json:"id,omitempty"`
	Name    string `json:"name"`
	Role    string `json:"role,omitempty"`
	Country string `json:"country,omitempty"`
	Joined  string `json:"joined,omitempty"`
}

// Commentary is what a document says in words of a match, in one language.
type Commentary struct {
	Match    MatchID
	Language string // "en", "nl"; the provider's code in lower case
	Lines    []CommentaryLine
	Made     time.Time // of the document, UTC
	Edition  Edition
}

// CommentaryLine is one line. It is known by its ID within match and language; an edit is the same
// ID with a later Modified.
type CommentaryLine struct {
	ID       string     `json:"id"`
	Type     string     `json:"type"` // the provider's word: "goal", "start delay", "VAR cancelled goal"
	Text     string     `json:"text"`
	Period   Period     `json:"period,omitempty"`
	Minute   int        `json:"minute,omitempty"` // as fans say it
	Second   int        `json:"second,omitempty"`
	Clock    string     `json:"clock,omitempty"`
	Players  []PlayerID `json:"players,omitempty"`
	Modified time.Time  `json:"modified,omitzero"` // UTC
}

// Edition orders the documents that tell of the same thing: of two the one whose text sorts higher
// is newer. Ingest makes it.
type Edition string
