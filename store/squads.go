package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"goalcast"
)

// playersPerStatement is how many players' names one statement writes.
const playersPerStatement = 1000

// SaveSquads stores who plays for whom in a competition's season, and the players' names. The list
// replaces the one before, so that a team that is missing from it is gone, unless the stored one is
// of the same or a newer edition: then changed is false.
func (s *Store) SaveSquads(ctx context.Context, list goalcast.SquadList) (changed bool, err error) {
	season, edition := clean(list.Season), clean(string(list.Edition))
	err = s.tx(ctx, fmt.Sprintf("save squads of competition %d", list.Competition.ID), func(tx *tx) error {
		changed = false
		// The row is there before it is locked, so that two lists of a new season do not both take
		// it for theirs.
		if _, err := tx.exec(ctx, `INSERT INTO squad_lists (competition, season, edition) VALUES ($1, $2, '')
			ON CONFLICT DO NOTHING`, list.Competition.ID, season); err != nil {
			return err
		}
		kept, err := tx.edition(ctx, "squad_lists", list.Competition.ID, season)
		if err != nil {
			return err
		}
		if kept != "" && kept >= edition {
			return errRollback
		}
		changed = true
		if _, err := tx.exec(ctx, `UPDATE squad_lists SET edition = $3 WHERE competition = $1
			AND season = $2`, list.Competition.ID, season, edition); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM squads WHERE competition = $1
			AND season = $2`, list.Competition.ID, season); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM squad_players WHERE competition = $1 AND season = $2`,
			list.Competition.ID, season); err != nil {
			return err
		}
		for _, squad := range list.Squads {
			body, err := jsonText(squad)
			if err != nil {
				return err
			}
			if _, err := tx.exec(ctx, `INSERT INTO squads (competition, season, team, updated, players, body)
				VALUES ($1, $2, $3, $4, $5, $6)`,
				list.Competition.ID, season, squad.Team.ID, toMillis(squad.Updated), len(squad.Players),
				body); err != nil {
				return err
			}
			if err := tx.listSquad(ctx, list.Competition.ID, season, squad, squad.Team.ID); err != nil {
				return err
			}
		}
		return tx.savePlayers(ctx, list, edition)
	})
	return changed && err == nil, err
}

// savePlayers stores the names of all players of a list, those who left too, in the order of their
// ids: two transactions that lock the same rows in the same order do not deadlock. A player may be
// in several lists; the newest one's name holds.
func (t *tx) savePlayers(ctx context.Context, list goalcast.SquadList, edition string) error {
	var players []goalcast.Player
	for _, squad := range list.Squads {
		for _, p := range slices.Concat(squad.Players, squad.Left) {
			if p.Name != "" && p.ID != 0 {
				players = append(players, p.Player)
			}
		}
	}
	slices.SortStableFunc(players, func(a, b goalcast.Player) int { return cmp.Compare(a.ID, b.ID) })
	players = slices.CompactFunc(players, func(a, b goalcast.Player) bool { return a.ID == b.ID })
	for some := range slices.Chunk(players, playersPerStatement) {
		args := make([]any, 0, 3*len(some))
		for _, p := range some {
			args = append(args, p.ID, clean(p.Name), edition)
		}
		if _, err := t.exec(ctx, `INSERT INTO players (id, name, edition) VALUES `+valuesList(len(some), 3, 1)+`
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, edition = excluded.edition
			WHERE players.edition < excluded.edition`, args...); err != nil {
			return err
		}
		ids := make([]int64, len(some))
		for i, p := range some {
			ids[i] = int64(p.ID)
		}
		if err := t.indexNames(ctx, "players", goalcast.FoundPlayer, ids); err != nil {
			return err
		}
	}
	return nil
}

// Squad returns a team's squad in a competition and season. Zero ones choose the newest list that
// has players for the team, or any if none has. ErrNotFound.
func (s *Store) Squad(
	ctx context.Context, team goalcast.TeamID, competition goalcast.CompetitionID, season string,
) (goalcast.Squad, error) {
	w := where{}
	w.when(true, "team = ", team)
	w.when(competition != 0, "competition = ", competition)
	w.when(season != "", "season = ", clean(season))
	var squad goalcast.Squad
	var body []byte
	err := s.lagging(ctx, func(ctx context.Context, q querier) error {
		return q.queryRow(ctx, `SELECT body FROM squads`+w.String()+
			` ORDER BY CASE WHEN players > 0 THEN 0 ELSE 1 END, updated DESC, season DESC, competition
			LIMIT 1`, w.args...).Scan(&body)
	})
	if err == nil {
		err = json.Unmarshal(body, &squad)
	}
	return squad, s.wrap(fmt.Sprintf("squad of team %d", team), err)
}

// PlayerNames returns the names of those of the players that any squad list named.
func (s *Store) PlayerNames(ctx context.Context, ids []goalcast.PlayerID) (map[goalcast.PlayerID]string, error) {
	names := make(map[goalcast.PlayerID]string, len(ids))
	for some := range slices.Chunk(ids, playersPerStatement) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		rows, err := s.query(ctx, `SELECT id, name FROM players
			WHERE id IN `+strings.TrimSpace(valuesList(1, len(some), 1)), args...)
		players, err := collect(rows, err, func(row scanner) (p goalcast.Player, err error) {
			return p, row.Scan(&p.ID, &p.Name)
		})
		if err != nil {
			return nil, s.wrap("names of players", err)
		}
		for _, p := range players {
			names[p.ID] = p.Name
		}
	}
	return names, nil
}
