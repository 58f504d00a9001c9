package opta

import "goalcast"

// review makes a VAR event of a contentious decision (type 65). It may carry the qualifier of a red card and is a review all the same,
// not a card. One that says neither what is reviewed nor what came of it makes nothing: the type is older than video referees.
func (g *game) review(t *touch) (goalcast.Event, bool) {
	v := goalcast.VAR{}
	told := false
	for _, q := range t.qualifiers {
		subject, outcome := reviewWords(q.id)
		told = told || subject != "" || outcome != ""
		if subject != "" && (v.Subject == "" || v.Subject == "other") {
			v.Subject = subject
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
	if v.Outcome == "" {
		v.Outcome = "under_review"
	}
	e := g.fact(t, goalcast.KindVAR)
	e.VAR = &v
	return e, true
}

// reviewWords gives our words for a qualifier: what is reviewed, and what came of it; "" where it does not say.
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

// weight says which of two outcomes to show: the referee's last word (confirmed, cancelled) tells more than that a review goes on, and
// that more than the decision that is reviewed.
func weight(outcome string) int {
	switch outcome {
	case "":
		return 0
	case "awarded", "not_awarded", "upgraded":
		return 1
	case "under_review":
		return 2
	}
	return 3
}
