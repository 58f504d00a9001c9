package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The world: none of it exists.
const (
	CompetitionID   = 901 // of all matches
	competitionName = "Kroonliga"
	country         = "Belgium"
	season          = "2026"
	seasonName      = "Season 2026/2027"
	firstTeamID     = 9001
	firstVenueID    = 9501
	firstPlayerID   = 900000 // a club's players count from here in steps of 100
)

// MaxMatches is how many matches a day can have: there are two clubs for each.
const MaxMatches = 50

type club struct{ name, venue, city, formation string }

// firstClubs play when a day has at most eight matches. clubs are all there are.
var (
	firstClubs = [...]club{
		{"KVC Oosterveke", "Lindenpark", "Oosterveke", "433"},
		{"RFC Valmorin", "Stade du Moulin Vert", "Valmorin", "4231"},
		{"SK Haverdonk", "De Havergaard", "Haverdonk", "442"},
		{"Royal Aubrémont", "Stade des Trois Tilleuls", "Aubrémont", "433"},
		{"KSV Zwanebeke", "Zwanendreef", "Zwanebeke", "4231"},
		{"Union Montfélix", "Stade de la Verrerie", "Montfélix", "352"},
		{"FC Brugelmonde", "Sluiskaai Arena", "Brugelmonde", "442"},
		{"RSC Sart-Belval", "Stade Edmond Fauval", "Sart-Belval", "433"},
		{"KFC Wijtergem", "Meersenstadion", "Wijtergem", "4231"},
		{"AS Roncelles", "Stade du Haut-Pré", "Roncelles", "442"},
		{"VK Kasterzele", "Kastelenveld", "Kasterzele", "352"},
		{"Étoile Merlinval", "Stade de l'Écluse", "Merlinval", "433"},
		{"KV Duinmeer", "Duinmeer Park", "Duinmeer", "4231"},
		{"RC Clairfays", "Stade Clairfays-Nord", "Clairfays", "442"},
		{"Racing Lindermaal", "Bosrandstadion", "Lindermaal", "433"},
		{"Polderhout SV", "Polderkuip", "Polderhout", "352"},
	}
	clubs = append(firstClubs[:], moreClubs()...)
)

// moreClubs makes clubs of towns whose names are put together from parts.
func moreClubs() []club {
	prefixes := strings.Fields("KVC RFC SK FC KSV RSC AS VK SV RC")
	heads := strings.Fields("Wispel Tronde Varkel Krijte Mistel Ravel Schuime Gruize Pimpe Zwoorde Hinkel Blauwe")
	tails := strings.Fields("gem donk zele hove mark veke straat")
	venues := []string{"%s Park", "Stade de %s", "%sveld", "Arena %s"}
	formations := strings.Fields("433 4231 442 352")
	list := make([]club, 2*MaxMatches-len(firstClubs))
	for i := range list {
		town := heads[i%len(heads)] + tails[i/len(heads)]
		list[i] = club{name: prefixes[i%len(prefixes)] + " " + town, venue: fmt.Sprintf(venues[i%len(venues)], town),
			city:      town,
			formation: formations[i%len(formations)]}
	}
	return list
}

var (
	firstNames = strings.Fields(`Jorn Wout Stan Lowie Siebe Ferre Arne Matteo Noé Loïc Théo Elias Bram Tibo Robbe Senne Maxence Corentin Bastien Amaury
		Yanis Ilyas Moussa Dieudonné Emre Luka Milan Kasper Anders Rúben Tiago Mateus Niels Quinten Jasper Célestin Gaspard Ruben Kobe Xander`)
	lastNames = strings.Split(
		"Vandermolle,Brackenier,Delvaquière,Wouterlood,Pypaertsz,Quintelaar,Dumoncelle,"+
			"Castaignet,Maréval,Tshiabola,Okonjale,El Haddouri,Benkassimi,Yilmazer,Kowaltschek,"+
			"Sørlunde,Van Hoezel,De Schrijnmaker,Lambrechtsen,Hautecloque,Rozenkranz,Vanderzijpe,"+
			"Bellefroy,Chantrainville,Mbokolani,Diarrassou,Ferreirinho,Montessori-Leclou,"+
			"Ter Wildebeke,Van den Eyckhaut,Grandjoie,Pauwelijn,Koppenolle,Marchalon,Ostermeule,"+
			"Verbrakel,Noirfalise,Timmerhuys,Van Zandijcke,Delacourcelle,Brouwershaven,Saint-Aubrun", ",")
)

// player is one of a squad. Places 1 to 11 start, by their place in the formation; the
// others sit on the bench.
type player struct {
	id          int64
	first, last string
	known       string // how fans call him, where that is not first and last name
	shirt       int
	position    string // "Goalkeeper", "Defender", "Midfielder", "Striker": of the bench, the SubPosition
	place       int    // 0 on the bench
}

type squad struct {
	club
	team, venue int64
	players     [18]player // the first eleven start; the second one is captain
	formationID string     // qualifier 130
}

var formationIDs = map[string]string{"442": "2", "433": "4", "4231": "8", "352": "12"}

// newSquad gives the club of that number. A club has the same players on every day.
func newSquad(n int) *squad {
	rng := rand.New(rand.NewPCG(uint64(n), 0x5ca1ab1e))
	s := &squad{club: clubs[n], team: int64(firstTeamID + n), venue: int64(firstVenueID + n),
		formationID: formationIDs[clubs[n].formation]}
	lasts, firsts := rng.Perm(len(lastNames)), rng.Perm(len(firstNames))
	positions := startPositions(s.formation)
	bench := []string{"Goalkeeper", "Defender", "Defender", "Midfielder", "Midfielder", "Striker", "Striker"}
	for i := range s.players {
		p := player{id: int64(firstPlayerID + n*100 + i), first: firstNames[firsts[i]], last: lastNames[lasts[i]],
			shirt: i + 1}
		if i < 11 {
			p.position, p.place = positions[i], i+1
		} else {
			p.position, p.shirt = bench[i-11], i+2+rng.IntN(3)*10
		}
		if rng.IntN(9) == 0 {
			p.known = p.last
		}
		s.players[i] = p
	}
	return s
}

// startPositions turns "433" into the positions of places 1 to 11: the rows from the back; of four
// numbers both middle ones are midfielders.
func startPositions(formation string) []string {
	out := []string{"Goalkeeper"}
	for i, c := range formation {
		position := "Midfielder"
		switch i {
		case 0:
			position = "Defender"
		case len(formation) - 1:
			position = "Striker"
		}
		for range int(c - '0') {
			out = append(out, position)
		}
	}
	return out
}
