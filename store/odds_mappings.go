package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"goalcast"
)

const (
	maxMappings    = 1001   // one list has at most
	maxCandidates  = 10     // of a mapping
	maxOddsLoad    = 20_000 // RecentOdds lists at most
	maxOddsPlanned = 20_000 // OddsFixtures lists at most
	mappingsAtOnce = 100    // one transaction saves at most
)

const mappingColumns = `source, event, match_id, decision, candidates, competition, kickoff, home, away, described,
	decided, decided_by`

func scanMapping(row scanner) (m goalcast.OddsMapping, err error) {
	var kickoff, described, decided int64
	var candidates []byte
	if err := row.Scan(&m.Source, &m.Event, &m.Match, &m.Decision, &candidates, &m.Competition, &kickoff, &m.Home,
		&m.Away, &described, &decided, &m.By); err != nil {
		return m, err
	}
	m.Kickoff, m.Described, m.Decided = fromMillis(kickoff), fromMillis(described), fromMillis(decided)
	if err := json.Unmarshal(candidates, &m.Candidates); err != nil {
		return m, &unreadable{fmt.Sprintf("mapping of event %q of %s", m.Event, m.Source), err}
	}
	return m, nil
}

// SaveMappings writes what was described and found, and returns the mappings as they are then, in
// the same order. What an operator has decided stays, only its description is changed. Where
// another event of the source is the match already, nobody knows which of the two it is: the
// mapping is saved as open, with the match as a candidate. Of a mapping Decided and By are not
// read.
func (s *Store) SaveMappings(ctx context.Context, list []goalcast.OddsMapping) (saved []goalcast.OddsMapping,
	err error) {
	for chunk := range slices.Chunk(list, mappingsAtOnce) {
		var done []goalcast.OddsMapping
		err := s.tx(ctx, "save mappings of odds", func(tx *tx) error {
			done = done[:0]
			for _, m := range chunk {
				m, err := tx.saveMapping(ctx, m)
				if err != nil {
					return fmt.Errorf("event %q of %s: %w", m.Event, m.Source, err)
				}
				done = append(done, m)
			}
			return nil
		})
		if err != nil {
			return saved, err
		}
		saved = append(saved, done...)
	}
	return saved, nil
}

func (t *tx) saveMapping(ctx context.Context, m goalcast.OddsMapping) (goalcast.OddsMapping, error) {
	if m.Match != 0 {
		var taken int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM odds_mappings WHERE source = $1 AND match_id = $2
			AND event <> $3`, m.Source, m.Match, m.Event).Scan(&taken)
		if err != nil {
			return m, err
		}
		if taken > 0 {
			m.Candidates = append([]goalcast.MatchID{m.Match}, m.Candidates...)
			m.Match, m.Decision = 0, goalcast.MappingOpen
		}
	}
	candidates, err := candidatesText(m)
	if err != nil {
		return m, err
	}
	// The right sides see the row as it was.
	const byHand = `odds_mappings.decision IN ('decided', 'refused')`
	const same = `odds_mappings.decision = excluded.decision AND odds_mappings.match_id = excluded.match_id`
	return scanMapping(t.queryRow(ctx, `INSERT INTO odds_mappings (source, event, match_id, decision, candidates,
		competition, kickoff, home, away, described, decided) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, `+
		t.dialect.now+`)
		ON CONFLICT (source, event) DO UPDATE SET competition = excluded.competition, kickoff = excluded.kickoff,
		home = excluded.home, away = excluded.away, described = excluded.described,
		match_id = CASE WHEN `+byHand+` THEN odds_mappings.match_id ELSE excluded.match_id END,
		decision = CASE WHEN `+byHand+` THEN odds_mappings.decision ELSE excluded.decision END,
		candidates = CASE WHEN `+byHand+` THEN odds_mappings.candidates ELSE excluded.candidates END,
		decided = CASE WHEN `+byHand+` OR `+same+` THEN odds_mappings.decided ELSE excluded.decided END
		RETURNING `+mappingColumns, clean(m.Source), clean(m.Event), m.Match, m.Decision, candidates,
		clean(m.Competition), toMillis(m.Kickoff), clean(m.Home), clean(m.Away), toMillis(m.Described)))
}

func candidatesText(m goalcast.OddsMapping) (string, error) {
	if m.Match != 0 || m.Decision != goalcast.MappingOpen {
		return "[]", nil
	}
	list := m.Candidates[:min(len(m.Candidates), maxCandidates)]
	text, err := json.Marshal(append([]goalcast.MatchID{}, list...))
	return string(text), err
}

// DecideOdds notes an operator's word: the event is the match, or none of ours (0). Another event
// of the source that was only found to be the match is unmapped by it. ErrNotFound: no provider has
// described the event; goalcast.ErrNoMatch; goalcast.ErrTaken.
func (s *Store) DecideOdds(ctx context.Context, source, event string, match goalcast.MatchID,
	by string) (d goalcast.OddsDecision, err error) {
	err = s.tx(ctx, fmt.Sprintf("decide on event %.100q of %.40q", event, source), func(tx *tx) (err error) {
		d = goalcast.OddsDecision{}
		d.Before, err = scanMapping(tx.queryRow(ctx, `SELECT `+mappingColumns+` FROM odds_mappings
			WHERE source = $1 AND event = $2`+s.dialect.forUpdate, source, event))
		if err != nil {
			return err
		}
		decision := goalcast.MappingRefused
		if match != 0 {
			decision = goalcast.MappingDecided
			if d.Displaced, err = tx.makeRoom(ctx, source, event, match); err != nil {
				return err
			}
		}
		if d.Before.Decision == decision && d.Before.Match == match {
			d.Mapping = d.Before
			return nil
		}
		d.Mapping, err = scanMapping(tx.queryRow(ctx, `UPDATE odds_mappings SET match_id = $3, decision = $4,
			candidates = '[]', decided_by = $5, decided = `+s.dialect.now+`
			WHERE source = $1 AND event = $2 RETURNING `+mappingColumns, source, event, match, decision, clean(by)))
		return err
	})
	return d, err
}

// makeRoom sees that an event may become a match: there is one, and no other event of the source is
// it. What was only found to be the match is so no more, and returned.
func (t *tx) makeRoom(ctx context.Context, source, event string, match goalcast.MatchID) (*goalcast.OddsMapping,
	error) {
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM matches WHERE id = $1 AND seq > 0`, match).Scan(&one)
	if noRows(err) {
		return nil, goalcast.ErrNoMatch
	}
	if err != nil {
		return nil, err
	}
	other, err := scanMapping(t.queryRow(ctx, `SELECT `+mappingColumns+` FROM odds_mappings
		WHERE source = $1 AND match_id = $2 AND event <> $3`+t.dialect.forUpdate, source, match, event))
	if noRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if other.Decision != goalcast.MappingFound {
		return nil, fmt.Errorf("event %q: %w", other.Event, goalcast.ErrTaken)
	}
	other, err = scanMapping(t.queryRow(ctx, `UPDATE odds_mappings SET match_id = 0, decision = $3, candidates = $4,
		decided = `+t.dialect.now+` WHERE source = $1 AND event = $2 RETURNING `+mappingColumns, source, other.Event,
		goalcast.MappingOpen, fmt.Sprintf("[%d]", match)))
	return &other, err
}

// Mappings lists mappings, those that were described last first; at most 1000.
func (s *Store) Mappings(ctx context.Context, f goalcast.OddsMappingFilter) ([]goalcast.OddsMapping, error) {
	w := where{}
	w.when(f.Source != "", "source = ", f.Source)
	w.when(f.Decision != "", "decision = ", f.Decision)
	w.when(f.Match != 0, "match_id = ", f.Match)
	if n := len(w.args); f.After.Event != "" {
		w.args = append(w.args, toMillis(f.After.Described), f.After.Source, f.After.Event)
		w.conditions = append(w.conditions, fmt.Sprintf(`(described < $%[1]d OR described = $%[1]d AND
			(source > $%[2]d OR source = $%[2]d AND event > $%[3]d))`, n+1, n+2, n+3))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = maxMappings
	}
	w.args = append(w.args, min(limit, maxMappings))
	rows, err := s.query(ctx, `SELECT `+mappingColumns+` FROM odds_mappings`+w.String()+
		` ORDER BY described DESC, source, event LIMIT $`+strconv.Itoa(len(w.args)), w.args...)
	list, err := collectReadable(s, rows, err, scanMapping)
	return list, s.wrap("list mappings of odds", err)
}

// RecentMappings lists the mappings of events that kick off after a time, or were described after
// it: those decided last first, at most 20,000.
func (s *Store) RecentMappings(ctx context.Context, after time.Time) ([]goalcast.OddsMapping, error) {
	rows, err := s.query(ctx, `SELECT `+mappingColumns+` FROM odds_mappings
		WHERE kickoff >= $1 OR described >= $1 ORDER BY decided DESC LIMIT $2`, toMillis(after), maxOddsLoad)
	list, err := collectReadable(s, rows, err, scanMapping)
	return list, s.wrap("recent mappings of odds", err)
}

// MappingsDecided lists the mappings whose decision changed after a time by the database's clock.
func (s *Store) MappingsDecided(ctx context.Context, after time.Time) ([]goalcast.OddsMapping, error) {
	rows, err := s.query(ctx, `SELECT `+mappingColumns+` FROM odds_mappings WHERE decided >= $1
		ORDER BY decided LIMIT $2`, toMillis(after), maxOddsLoad)
	list, err := collectReadable(s, rows, err, scanMapping)
	return list, s.wrap("decisions about odds", err)
}

// OddsFixtures lists the matches that kick off from one time to another, by kick-off; at most
// 20,000.
func (s *Store) OddsFixtures(ctx context.Context, from, to time.Time) ([]goalcast.OddsFixture, error) {
	rows, err := s.query(ctx, `SELECT m.id, m.kickoff, COALESCE(c.name, ''), h.name, a.name FROM matches m
		JOIN teams h ON h.id = m.home JOIN teams a ON a.id = m.away
		LEFT JOIN competitions c ON c.id = m.competition
		WHERE m.kickoff >= $1 AND m.kickoff <= $2 AND m.kickoff <> 0 AND m.seq > 0 ORDER BY m.kickoff, m.id LIMIT $3`,
		toMillis(from), toMillis(to), maxOddsPlanned)
	list, err := collect(rows, err, func(row scanner) (f goalcast.OddsFixture, err error) {
		var kickoff int64
		err = row.Scan(&f.Match, &kickoff, &f.Competition, &f.Home, &f.Away)
		f.Kickoff = fromMillis(kickoff)
		return f, err
	})
	return list, s.wrap("fixtures for odds", err)
}
