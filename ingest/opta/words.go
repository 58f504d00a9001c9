package opta

import (
	"strings"

	"goalcast"
)

// periodNamed gives the period for the words of F1, F7 and F9 and for the numbers of F24 (and of
// Substitution@Period in F7). Postponed and abandoned are no periods; see halted.
func periodNamed(text string) goalcast.Period {
	switch text {
	case "PreMatch", "16":
		return goalcast.PreMatch
	case "FirstHalf", "1":
		return goalcast.FirstHalf
	case "HalfTime", "10":
		return goalcast.HalfTime
	case "SecondHalf", "2":
		return goalcast.SecondHalf
	case "FullTime90", "11":
		return goalcast.FullTime90
	case "ExtraFirstHalf", "3":
		return goalcast.ExtraFirstHalf
	case "ExtraHalfTime", "12":
		return goalcast.ExtraHalfTime
	case "ExtraSecondHalf", "4":
		return goalcast.ExtraSecondHalf
	case "ExtraFullTime", "13":
		return goalcast.ExtraFullTime
	case "ShootOut", "5":
		return goalcast.Shootout
	case "FullTime", "14":
		return goalcast.FullTime
	}
	return ""
}

// halted gives the state for the words of MatchInfo@Period and Result@Type that say that a
// match does not go its way.
func halted(text string) goalcast.MatchState {
	switch text {
	case "Postponed":
		return goalcast.Postponed
	case "Abandoned":
		return goalcast.Abandoned
	}
	return ""
}

// position gives our word for F7's and F9's; "Substitute" is a place on the bench
// and tells no position.
func position(text string) string {
	switch text {
	case "Goalkeeper":
		return "goalkeeper"
	case "Defender":
		return "defender"
	case "Midfielder":
		return "midfielder"
	case "Striker", "Forward":
		return "striker"
	}
	return ""
}

// benchPosition stands in qualifier 44 of F24 for a player on the bench, whose
// position it does not tell.
const benchPosition = 5

// positionNumber gives our word for the numbers of qualifier 44.
func positionNumber(n int64) string {
	switch n {
	case 1:
		return "goalkeeper"
	case 2:
		return "defender"
	case 3:
		return "midfielder"
	case 4:
		return "striker"
	}
	return ""
}

// formation gives the digits that F7 writes for the number in qualifier 130 of
// F24; "" for unknown ones.
func formation(n int64) string {
	formations := [...]string{2: "442", 3: "41212", 4: "433", 5: "451", 6: "4411", 7: "4141", 8: "4231", 9: "4321",
		10: "532", 11: "541", 12: "352",
		13: "343", 15: "4222", 16: "3511", 17: "3421", 18: "3412", 19: "3142", 20: "343", 21: "4132", 22: "4240",
		23: "4312", 24: "3241", 25: "3331"}
	if n < 0 || int(n) >= len(formations) {
		return ""
	}
	return formations[n]
}

// cardReason gives the words of F7's Booking@Reason for F24's qualifiers, so that both feeds tell
// the same; "" where a qualifier is no reason.
func cardReason(qualifier int64) string {
	switch qualifier {
	case 10:
		return "Handball"
	case 12:
		return "Dangerous play"
	case 13:
		return "Foul"
	case 34:
		return "Referee abuse"
	case 35:
		return "Argument"
	case 36:
		return "Fight"
	case 37:
		return "Time wasting"
	case 38:
		return "Excessive celebration"
	case 39:
		return "Crowd interaction"
	case 40:
		return "Other reason"
	case 132:
		return "Dive"
	case 158:
		return "Persistent infringement"
	case 159:
		return "Foul and abusive language"
	case 161:
		return "Encroachment"
	case 162:
		return "Leaving field"
	case 163:
		return "Entering field"
	case 164:
		return "Spitting"
	case 165:
		return "Professional foul last man"
	case 166:
		return "Professional foul handball"
	case 184:
		return "Dissent"
	case 191:
		return "Off the ball foul"
	}
	return ""
}

// substitutionReason gives our word for Substitution@Reason.
func substitutionReason(text string) string {
	switch text {
	case "Tactical":
		return "tactical"
	case "Injury":
		return "injury"
	case "Concussion", "Concussion substitute", "Concussion Substitute":
		return "concussion"
	}
	return ""
}

// resultAwarded is the Result@Type and MatchInfo@Period of a match whose result was
// decided off the pitch.
const resultAwarded = "Awarded"

// officialRole gives our word for OfficialRef@Type and AssistantOfficial@Type;
// others stay as they are.
func officialRole(text string) string {
	switch text {
	case "Main", "Referee":
		return "referee"
	case "Lineman 1", "Lineman 2", "Assistant Referee 1", "Assistant Referee 2":
		return "assistant"
	case "Fourth official", "Fourth Official":
		return "fourth"
	case "Video Assistant Referee":
		return "var"
	case "Assistant VAR Official", "Assistant Video Assistant Referee":
		return "avar"
	}
	return text
}

// statWord gives our word for a team's Stat@Type; "" for the many that are not passed on.
func statWord(text string) string {
	switch text {
	case "possession_percentage":
		return "possession"
	case "total_scoring_att":
		return "shots"
	case "ontarget_scoring_att":
		return "shots_on_target"
	case "shot_off_target":
		return "shots_off_target"
	case "blocked_scoring_att":
		return "shots_blocked"
	case "won_corners":
		return "corners"
	case "fk_foul_lost":
		return "fouls"
	case "total_offside":
		return "offsides"
	case "saves":
		return "saves"
	case "total_pass":
		return "passes"
	case "accurate_pass":
		return "passes_accurate"
	case "total_cross":
		return "crosses"
	case "total_tackle":
		return "tackles"
	case "interception":
		return "interceptions"
	case "total_clearance":
		return "clearances"
	case "touches":
		return "touches"
	}
	return ""
}

// statWords are the counts that are 0 where a document that counts leaves them out. Possession is
// no count: it is told or not known.
var statWords = [...]string{"shots", "shots_on_target", "shots_off_target", "shots_blocked", "corners", "fouls",
	"offsides", "saves", "passes", "passes_accurate",
	"crosses", "tackles", "interceptions", "clearances", "touches"}

// delayReason gives our word for the qualifiers of a stop of play; "" for others.
func delayReason(qualifier int64) string {
	switch qualifier {
	case 200, 201, 207, 208: // stopped or delayed by the referee, awaiting officials, injured referee
		return "referee"
	case 202:
		return "weather"
	case 203:
		return "crowd"
	case 204:
		return "fire"
	case 205:
		return "object"
	case 206:
		return "spectator"
	}
	return ""
}

// headCoach says how surely an official of that type leads the team: the highest does, 0 does not.
func headCoach(kind string) int {
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "manager", "head coach":
		return 3
	case "caretaker manager", "interim manager", "trainer":
		return 2
	case "coach":
		return 1
	}
	return 0
}
