package opta

import (
	"cmp"

	"goalcast"
)

// review makes a VAR event of a contentious decision (type 65). It may carry the qualifier of a red
// card and is a review all the same, not a card. One that says neither what is reviewed nor what
// came of it makes nothing: the type is older than video referees.
//
// It is under review only where it says so, and until the match is over: many say no more than what
// they are about, and no later document does.
func (g *game) review(t *f24Event) (goalcast.Event, bool) {
	v := goalcast.VAR{}
	told := false
	for _, q := range t.qualifiers {
		subject, outcome := reviewWords(q.id)
		told = told || subject != "" || outcome != ""
		if subject != "" && (v.Subject == "" || v.Subject == "other") {
			v.Subject = subject
		}
		if weight(outcome) == weightDecision && v.Decision == "" {
			v.Decision = outcome
		}
		if weight(outcome) > weight(v.Outcome) {
			v.Outcome = outcome
		}
	}
	if !told && !t.deleted {
		return goalcast.Event{}, false
	}
	if v.Subject == "" {
		v.Subject = "other"
	}
	switch {
	case v.Outcome == "":
		v.Outcome = "not_told"
	case v.Outcome == "under_review" && g.ended:
		v.Outcome = cmp.Or(v.Decision, "not_told")
	}
	if v.Decision == v.Outcome {
		v.Decision = ""
	}
	e := g.fact(t, goalcast.KindVAR)
	e.VAR = &v
	return e, true
}

// reviewWords gives our words for a qualifier: what is reviewed, and what came of it; ""
// where it does not say.
func reviewWords(qualifier int64) (subject, outcome string) {
	switch qualifier {
	case qualifierRed:
		return "red_card", ""
	case 329:
		return "goal", "awarded"
	case 330:
		return "penalty", "awarded"
	case 331:
		return "penalty", "not_awarded"
	case 332:
		return "red_card", "upgraded"
	case 333:
		return "mistaken_identity", ""
	case 334:
		return "other", ""
	case 335:
		return "", "confirmed"
	case 336:
		return "", "cancelled"
	case 341:
		return "goal", "not_awarded"
	case 342:
		return "red_card", "awarded"
	case 343, 364:
		return "", "under_review"
	}
	return "", ""
}

// weightDecision is the weight of what was decided before anyone looked at it again.
const weightDecision = 1

// weight says which of two outcomes to show: the referee's last word (confirmed, cancelled)
// tells more than that a review goes on, and that more than the decision that is reviewed,
// which stands beside it.
func weight(outcome string) int {
	switch outcome {
	case "":
		return 0
	case "awarded", "not_awarded", "upgraded":
		return weightDecision
	case "under_review":
		return 2
	}
	return 3
}
