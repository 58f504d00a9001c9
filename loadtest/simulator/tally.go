package simulator

import (
	"strconv"
	"time"
)

// tally counts what a player or a team did, for the statistics of F9.
type tally struct {
	touches, passes, accurate, fouls, shots, saved, recoveries, corners, goals, yellows, reds int
}

// tallies counts, per player of a team, what stands at a moment. The benched ones that
// never came on have none.
func (m *match) tallies(s *squad, of time.Duration) map[int64]*tally {
	out := map[int64]*tally{}
	for _, p := range s.players {
		if p.place > 0 {
			out[p.id] = &tally{}
		}
	}
	for _, e := range m.events {
		v, entered := e.as(of)
		if e.squad != s || !entered || v.player == 0 {
			continue
		}
		if out[v.player] == nil {
			out[v.player] = &tally{}
		}
		out[v.player].count(v)
	}
	return out
}

func (t *tally) count(v version) {
	switch v.kind {
	case typePass:
		t.passes++
		t.touches++
		if !v.failed {
			t.accurate++
		}
	case typeFoul:
		t.fouls++
	case typeRecovery:
		t.recoveries++
		t.touches++
	case typeCorner:
		t.corners++
	case typeShotWide, typeShotSaved:
		t.shots++
		t.touches++
		if v.kind == typeShotSaved {
			t.saved++
		}
	case typeGoal:
		if !v.has(qOwnGoal) {
			t.goals++
			t.shots++
		}
		t.touches++
	case typeCard:
		switch {
		case v.has(qYellow):
			t.yellows++
		default:
			t.reds++
		}
	}
}

func sumOf(players map[int64]*tally) *tally {
	sum := &tally{}
	for _, one := range players {
		sum.add(one)
	}
	return sum
}

func (t *tally) add(o *tally) {
	t.touches, t.passes, t.accurate, t.fouls = t.touches+o.touches, t.passes+o.passes, t.accurate+o.accurate, t.fouls+
		o.fouls
	t.shots, t.saved, t.recoveries, t.corners = t.shots+o.shots, t.saved+o.saved, t.recoveries+o.recoveries, t.corners+
		o.corners
	t.goals, t.yellows, t.reds = t.goals+o.goals, t.yellows+o.yellows, t.reds+o.reds
}

// write adds the counts that are not zero; the ones made up of others give the
// document its real size.
func (t *tally) write(w *document) {
	for _, s := range []struct {
		kind string
		n    int
	}{
		{"touches", t.touches}, {"total_pass", t.passes}, {"accurate_pass", t.accurate}, {"fouls", t.fouls},
		{"fk_foul_lost", t.fouls}, {"total_scoring_att", t.shots},
		{"ontarget_scoring_att", t.saved + t.goals}, {"shot_off_target", t.shots - t.saved - t.goals},
		{"ball_recovery", t.recoveries}, {"corner_taken", t.corners}, {"won_corners", t.corners},
		{"goals", t.goals},
		{"yellow_card", t.yellows}, {"red_card", t.reds}, {"open_play_pass", t.passes * 9 / 10},
		{"successful_open_play_pass", t.accurate * 9 / 10},
		{"fwd_pass", t.passes / 2}, {"backward_pass", t.passes / 5}, {"leftside_pass", t.passes / 6},
		{"rightside_pass", t.passes / 7},
		{"total_long_balls", t.passes / 8}, {"accurate_long_balls", t.accurate / 10},
		{"total_fwd_zone_pass", t.passes * 2 / 5},
		{"accurate_fwd_zone_pass", t.accurate * 2 / 5}, {"total_back_zone_pass", t.passes * 3 / 5},
		{"accurate_back_zone_pass", t.accurate * 3 / 5},
		{"total_final_third_passes", t.passes / 4}, {"successful_final_third_passes", t.accurate / 4},
		{"poss_lost_all", t.passes - t.accurate},
		{"poss_lost_ctrl", t.passes - t.accurate}, {"duel_won", t.recoveries / 2}, {"duel_lost", t.fouls},
		{"game_started", 1},
	} {
		if s.n > 0 {
			w.stat(s.kind, strconv.Itoa(s.n))
		}
	}
}
