package notify

import (
	"fmt"
	"strings"
	"time"

	"goalcast"
)

// Languages that pushes are written in; a device with any other gets "en".
var languages = [...]string{"nl", "fr", "de", "en"}

// fallback is the language of devices whose own is not one of ours.
const fallback = "en"

// words are the phrases of a language. "%s" stands for the line with both teams and the score, or
// for what the comment says.
type words struct {
	goal, goalOff      string // score line
	goalFor            string // team, where the scorer is not known
	own, penalty       string // after a scorer's name
	offBody            string // minute and scorer of a goal that does not count
	red, second        string // team
	redOff             string // team
	firstHalf          string // both teams
	secondHalf         string
	halfTime, fullTime string
	after90            string // ninety minutes are over and it goes on
	shootout           string
	extraTime          string // the match ended after extra time
	onPenalties        string // score of the shoot-out
	postponed          string // both teams
	abandoned          string
	late               string
	newDate            string
	suspended, resumed string // score line
	awarded            string
	givenFor           string // team that has a penalty
	penaltyOff         string
	missed             string
}

func phrases(language string) words {
	switch language {
	case "nl":
		return words{
			goal: "GOAL! %s", goalOff: "Goal afgekeurd: %s", goalFor: "Doelpunt voor %s", own: "eigen doelpunt",
			penalty: "strafschop",
			offBody: "Telt niet: %s", red: "Rode kaart voor %s", second: "Tweede geel voor %s",
			redOff:    "Rode kaart ingetrokken: %s",
			firstHalf: "Aftrap: %s", secondHalf: "Tweede helft: %s", halfTime: "Rust: %s", fullTime: "Einde: %s",
			after90:  "Verlengingen: %s",
			shootout: "Strafschoppen: %s", extraTime: "Na verlengingen", onPenalties: "Na strafschoppen: %s",
			postponed: "Uitgesteld: %s", abandoned: "Gestaakt: %s",
			late: "Aftrap vertraagd: %s", newDate: "Nieuwe datum: %s", suspended: "Wedstrijd onderbroken: %s",
			resumed: "Het spel gaat verder: %s",
			awarded: "Uitslag toegekend: %s", givenFor: "Strafschop voor %s",
			penaltyOff: "Toch geen strafschop voor %s", missed: "Strafschop gemist: %s",
		}
	case "fr":
		return words{
			goal: "BUT ! %s", goalOff: "But annulé : %s", goalFor: "But pour %s", own: "contre son camp",
			penalty: "penalty",
			offBody: "Ne compte pas : %s", red: "Carton rouge pour %s", second: "Deuxième carton jaune pour %s",
			redOff:    "Carton rouge annulé : %s",
			firstHalf: "Coup d'envoi : %s", secondHalf: "Deuxième mi-temps : %s", halfTime: "Mi-temps : %s",
			fullTime: "Terminé : %s",
			after90:  "Prolongations : %s", shootout: "Tirs au but : %s", extraTime: "Après prolongations",
			onPenalties: "Aux tirs au but : %s",
			postponed:   "Reporté : %s", abandoned: "Arrêté : %s",
			late: "Coup d'envoi retardé : %s", newDate: "Nouvelle date : %s", suspended: "Match interrompu : %s",
			resumed: "Le match reprend : %s",
			awarded: "Résultat sur tapis vert : %s", givenFor: "Penalty pour %s",
			penaltyOff: "Finalement pas de penalty pour %s", missed: "Penalty manqué : %s",
		}
	case "de":
		return words{
			goal: "TOR! %s", goalOff: "Tor aberkannt: %s", goalFor: "Tor für %s", own: "Eigentor", penalty: "Elfmeter",
			offBody: "Zählt nicht: %s", red: "Rote Karte für %s", second: "Gelb-Rot für %s",
			redOff:    "Platzverweis zurückgenommen: %s",
			firstHalf: "Anstoß: %s", secondHalf: "Zweite Halbzeit: %s", halfTime: "Halbzeit: %s",
			fullTime: "Abpfiff: %s",
			after90:  "Verlängerung: %s", shootout: "Elfmeterschießen: %s", extraTime: "Nach Verlängerung",
			onPenalties: "Im Elfmeterschießen: %s",
			postponed:   "Verlegt: %s", abandoned: "Abgebrochen: %s",
			late: "Anstoß verzögert: %s", newDate: "Neuer Termin: %s", suspended: "Spiel unterbrochen: %s",
			resumed: "Es geht weiter: %s",
			awarded: "Spiel gewertet: %s", givenFor: "Elfmeter für %s", penaltyOff: "Doch kein Elfmeter für %s",
			missed: "Elfmeter verschossen: %s",
		}
	}
	return words{
		goal: "GOAL! %s", goalOff: "Goal cancelled: %s", goalFor: "Goal for %s", own: "own goal", penalty: "penalty",
		offBody: "Does not count: %s", red: "Red card for %s", second: "Second yellow for %s",
		redOff:    "Red card rescinded: %s",
		firstHalf: "Kick-off: %s", secondHalf: "Second half: %s", halfTime: "Half time: %s", fullTime: "Full time: %s",
		after90:  "Extra time: %s",
		shootout: "Penalty shoot-out: %s", extraTime: "After extra time", onPenalties: "On penalties: %s",
		postponed: "Postponed: %s", abandoned: "Abandoned: %s",
		late: "Kick-off delayed: %s", newDate: "New date: %s", suspended: "Play suspended: %s",
		resumed: "Play resumes: %s",
		awarded: "Result awarded: %s", givenFor: "Penalty for %s", penaltyOff: "No penalty after all for %s",
		missed: "Penalty missed: %s",
	}
}

// facts is all that the text of a push is made of.
type facts struct {
	kind   string // Content.Kind
	status string // with kindStatus: see statusOf
	event  goalcast.Event
	match  goalcast.Snapshot
	score  goalcast.Score
	extra  bool // of a full time: there was extra time
}

// writer writes tellings in one language.
type writer struct {
	words
	language string
	names    *goalcast.Names
	zone     *time.Location
	noScores bool // for who does not want to know the score, nor who scored
}

func (n *Notifier) texts(t facts, noScores bool) map[string]Text {
	var names *goalcast.Names
	if n.cfg.Names != nil {
		names = n.cfg.Names.Names()
	}
	out := make(map[string]Text, len(languages))
	for _, l := range languages {
		out[l] = writer{phrases(l), l, names, n.cfg.Zone, noScores}.write(t)
	}
	return out
}

func (w writer) write(t facts) Text {
	home, away := w.team(t.match.Home), w.team(t.match.Away)
	line := fmt.Sprintf("%s %d-%d %s", home, t.score.Home, t.score.Away, away)
	pair := home + " - " + away
	if w.noScores {
		line = pair
	}
	competition := w.names.Competition(t.match.Competition, w.language).Name
	return rowOf(t.kind).write(w, t, texts{line: line, pair: pair, competition: competition})
}

// texts are what most kinds put into their own: "Home 1-0 Away", which is "Home - Away" for who
// does not want to know the score, "Home - Away", and the competition's name.
type texts struct{ line, pair, competition string }

func (w writer) period(t facts, s texts) Text {
	switch t.event.Period {
	case goalcast.FirstHalf:
		return Text{fmt.Sprintf(w.firstHalf, s.pair), s.competition}
	case goalcast.HalfTime:
		return Text{fmt.Sprintf(w.halfTime, s.line), s.competition}
	case goalcast.SecondHalf:
		return Text{fmt.Sprintf(w.secondHalf, s.line), s.competition}
	case goalcast.FullTime90:
		return Text{fmt.Sprintf(w.after90, s.line), s.competition}
	case goalcast.Shootout:
		return Text{fmt.Sprintf(w.shootout, s.line), s.competition}
	}
	body := s.competition
	switch {
	case w.noScores: // how it ended would tell
	case t.match.Shootout != nil:
		body = fmt.Sprintf(w.onPenalties, fmt.Sprintf("%d-%d", t.match.Shootout.Home, t.match.Shootout.Away))
	case t.extra:
		body = w.extraTime
	}
	return Text{fmt.Sprintf(w.fullTime, s.line), body}
}

// team is a team's name in the language, else the provider's.
func (w writer) team(t goalcast.Team) string { return w.names.Team(t, w.language).Name }

// side is the name of the team that the event is for.
func (w writer) side(t facts) string {
	if t.event.Team == t.match.Away.ID {
		return w.team(t.match.Away)
	}
	return w.team(t.match.Home)
}

// scorer is "Name", "Name (own goal)", or the team where no name is known.
func (w writer) scorer(t facts) string {
	name := player(t.event)
	if name == "" {
		name = fmt.Sprintf(w.goalFor, w.side(t))
	}
	if t.event.Goal == nil { // what was taken for a goal is something else
		return name
	}
	switch t.event.Goal.Type {
	case goalcast.OwnGoal:
		return name + " (" + w.own + ")"
	case goalcast.PenaltyGoal:
		return name + " (" + w.penalty + ")"
	}
	return name
}

func player(e goalcast.Event) string {
	if e.Player == nil {
		return ""
	}
	return e.Player.Name
}

// minute puts the minute before a text: "90+3' text".
func minute(e goalcast.Event, text string) string {
	if e.Clock == "" {
		return text
	}
	return e.Clock + "' " + text
}

func join(parts ...string) string {
	kept := parts[:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, " · ")
}
