package goalcast

// The kinds of thing that a search finds. NameKinds are those of them that have names by language.
const (
	FoundTeam        = "team"
	FoundCompetition = "competition"
	FoundPlayer      = "player"
)

// Found is what a search found.
type Found struct {
	Kind string `json:"kind"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// PlayerPage is what is known of a player apart from matches.
type PlayerPage struct {
	Player
	Squads []PlayerSquad `json:"squads"` // that he is and was in, the newest first
}

// PlayerSquad is a squad that a player is or was in.
type PlayerSquad struct {
	Competition Competition `json:"competition"`
	Season      string      `json:"season"`
	Team        Team        `json:"team"`
	As          SquadPlayer `json:"as"`
}

// Season is a season of a competition, and what is told of it besides matches.
type Season struct {
	Season    string `json:"season"` // the provider's id: "2018" for 2018/19
	Standings bool   `json:"standings"`
	Squads    bool   `json:"squads"`
}
