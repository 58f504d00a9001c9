package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"goalcast"
	"goalcast/internal/fold"
)

const (
	maxFound       = 500 // things that one search finds at most
	maxQueryWords  = 6   // words of a search that count
	namesAtOnce    = 200 // names that one transaction of IndexNames takes apart
	squadsAtOnce   = 20  // squads, likewise
	wordsStatement = 500 // words that one statement writes
)

// named are the tables whose names can be searched, with what each is called.
var named = []struct{ table, kind string }{
	{"teams", goalcast.FoundTeam}, {"competitions", goalcast.FoundCompetition}, {"players", goalcast.FoundPlayer},
}

// Search finds teams, competitions and players whose names, the provider's and those by language,
// have words that begin like all words of the text, folded: teams first, then by the provider's
// name; at most 500.
func (s *Store) Search(ctx context.Context, text string) (found []goalcast.Found, err error) {
	words := fold.Query(text)
	if len(words) == 0 {
		return nil, nil
	}
	// the longest first: it is the one that fewest names have
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	words = words[:min(len(words), maxQueryWords)]
	args := []any{maxFound}
	begins := func(column, word string) string {
		args = append(args, word, word+"\U0010FFFF")
		return fmt.Sprintf("%[1]s >= $%[2]d AND %[1]s < $%[3]d", column, len(args)-1, len(args))
	}
	where := begins("w.word", words[0])
	for i, word := range words[1:] {
		where += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM search_words w%[1]d WHERE w%[1]d.kind = w.kind
			AND w%[1]d.id = w.id AND %[2]s)`, i, begins(fmt.Sprintf("w%d.word", i), word))
	}
	err = s.lagging(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, `SELECT f.kind, f.id, COALESCE(t.name, c.name, p.name, '') FROM
			(SELECT w.kind AS kind, w.id AS id, MIN(w.folded) AS folded FROM search_words w WHERE `+where+`
			GROUP BY w.kind, w.id) f
			LEFT JOIN teams t ON f.kind = 'team' AND t.id = f.id
			LEFT JOIN competitions c ON f.kind = 'competition' AND c.id = f.id
			LEFT JOIN players p ON f.kind = 'player' AND p.id = f.id
			ORDER BY CASE f.kind WHEN 'team' THEN 1 WHEN 'competition' THEN 2 ELSE 3 END, f.folded, f.id
			LIMIT $1`, args...)
		found, err = collect(rows, err, func(row scanner) (f goalcast.Found, err error) {
			return f, row.Scan(&f.Kind, &f.ID, &f.Name)
		})
		return err
	})
	return found, s.wrap("search", err)
}

// indexNames writes the words of those of the rows whose names changed since they were written.
func (t *tx) indexNames(ctx context.Context, table, kind string, ids []int64) error {
	for some := range slices.Chunk(ids, namesAtOnce) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		err := t.indexWhere(ctx, table, kind, `id IN `+strings.TrimSpace(valuesList(1, len(some), 1)), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// indexWhere is indexNames for the rows that a condition chooses.
func (t *tx) indexWhere(ctx context.Context, table, kind, condition string, args ...any) error {
	type row struct {
		id   int64
		name string
	}
	rows, err := t.query(ctx, `SELECT id, name FROM `+table+` WHERE indexed <> name AND `+condition+` ORDER BY id`, args...)
	changed, err := collect(rows, err, func(s scanner) (r row, err error) { return r, s.Scan(&r.id, &r.name) })
	if err != nil {
		return err
	}
	for _, r := range changed {
		if _, err := t.exec(ctx, `DELETE FROM search_words WHERE kind = $1 AND id = $2`, kind, r.id); err != nil {
			return err
		}
		others, err := t.query(ctx, `SELECT name FROM names WHERE kind = $1 AND id = $2`, kind, r.id)
		names, err := collect(others, err, func(s scanner) (name string, err error) { return name, s.Scan(&name) })
		if err != nil {
			return err
		}
		all, folded := fold.Words(r.name), fold.Text(r.name)
		for _, name := range names {
			all = append(all, fold.Words(name)...)
		}
		slices.Sort(all)
		for words := range slices.Chunk(slices.Compact(all), wordsStatement) {
			values := make([]any, 0, 4*len(words))
			for _, w := range words {
				values = append(values, kind, r.id, w, folded)
			}
			if _, err := t.exec(ctx, `INSERT INTO search_words (kind, id, word, folded) VALUES `+
				valuesList(len(words), 4, 1)+` ON CONFLICT DO NOTHING`, values...); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `UPDATE `+table+` SET indexed = $2 WHERE id = $1 AND name = $2`, r.id,
			r.name); err != nil {
			return err
		}
	}
	return nil
}

// reindex has the things found by their names by language as they are now.
func (t *tx) reindex(ctx context.Context, list []goalcast.Name) error {
	for _, n := range named {
		var ids []int64
		for _, name := range list {
			if name.Kind == n.kind {
				ids = append(ids, name.ID)
			}
		}
		slices.Sort(ids)
		for some := range slices.Chunk(slices.Compact(ids), namesAtOnce) {
			args := make([]any, len(some))
			for i, id := range some {
				args[i] = id
			}
			if _, err := t.exec(ctx, `UPDATE `+n.table+` SET indexed = '' WHERE id IN `+
				strings.TrimSpace(valuesList(1, len(some), 1)), args...); err != nil {
				return err
			}
			if err := t.indexNames(ctx, n.table, n.kind, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// IndexNames catches up with names and squads that are stored and cannot be found yet: those from
// before there was a search, and those that an older version of the program wrote. It returns how
// many there were.
func (s *Store) IndexNames(ctx context.Context) (done int, err error) {
	for _, n := range named {
		rows, err := s.query(ctx, `SELECT id FROM `+n.table+` WHERE indexed <> name`)
		ids, err := collect(rows, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
		if err != nil {
			return done, s.wrap("names that cannot be found", err)
		}
		for some := range slices.Chunk(ids, namesAtOnce) {
			if err := s.tx(ctx, "index names of "+n.table, func(tx *tx) error {
				return tx.indexNames(ctx, n.table, n.kind, some)
			}); err != nil {
				return done, err
			}
			done += len(some)
		}
	}
	squads, err := s.listSquads(ctx)
	return done + squads, err
}

// listSquads enters the players of squads that are not listed.
func (s *Store) listSquads(ctx context.Context) (done int, err error) {
	for {
		n := 0
		err := s.tx(ctx, "list players of squads", func(tx *tx) error {
			rows, err := tx.query(ctx, `SELECT competition, season, team, body FROM squads WHERE NOT listed
				ORDER BY competition, season, team LIMIT $1`, squadsAtOnce)
			list, err := collect(rows, err, func(row scanner) (u squadRow, err error) {
				return u, row.Scan(&u.competition, &u.season, &u.team, &u.body)
			})
			n = len(list)
			for _, u := range list {
				var squad goalcast.Squad
				if err := json.Unmarshal(u.body, &squad); err != nil {
					s.log.Error("a squad is passed over", "team", u.team, "error", err)
				}
				if err := tx.listSquad(ctx, u.competition, u.season, squad, u.team); err != nil {
					return err
				}
			}
			return err
		})
		if done += n; err != nil || n == 0 {
			return done, err
		}
	}
}

type squadRow struct {
	competition goalcast.CompetitionID
	season      string
	team        goalcast.TeamID
	body        []byte
}

// listSquad enters who is in a squad.
func (t *tx) listSquad(ctx context.Context, competition goalcast.CompetitionID, season string, squad goalcast.Squad,
	team goalcast.TeamID) error {
	var ids []goalcast.PlayerID
	for _, p := range slices.Concat(squad.Players, squad.Left) {
		if p.ID != 0 {
			ids = append(ids, p.ID)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), playersPerStatement) {
		args := make([]any, 0, 4*len(some))
		for _, id := range some {
			args = append(args, id, competition, season, team)
		}
		if _, err := t.exec(ctx, `INSERT INTO squad_players (player, competition, season, team)
			VALUES `+valuesList(len(some), 4, 1)+` ON CONFLICT DO NOTHING`, args...); err != nil {
			return err
		}
	}
	_, err := t.exec(ctx, `UPDATE squads SET listed = TRUE WHERE competition = $1 AND season = $2 AND team = $3`,
		competition, season, team)
	return err
}

// maxPlayerSquads is how many squads of a player are told, the newest.
const maxPlayerSquads = 50

// Player returns a player whom a squad list named, with the squads he is and was in, the newest
// first. ErrNotFound.
func (s *Store) Player(ctx context.Context, id goalcast.PlayerID) (page goalcast.PlayerPage, err error) {
	doing := fmt.Sprintf("player %d", id)
	err = s.lagging(ctx, func(ctx context.Context, q querier) error {
		page = goalcast.PlayerPage{Player: goalcast.Player{ID: id}, Squads: []goalcast.PlayerSquad{}}
		if err := q.queryRow(ctx, `SELECT name FROM players WHERE id = $1`, id).Scan(&page.Name); err != nil {
			return err
		}
		rows, err := q.query(ctx, `SELECT u.competition, u.season, u.team, u.body FROM squad_players l
			JOIN squads u ON u.competition = l.competition AND u.season = l.season AND u.team = l.team
			WHERE l.player = $1 ORDER BY u.updated DESC, u.season DESC, u.competition, u.team LIMIT $2`, id,
			maxPlayerSquads)
		list, err := collect(rows, err, func(row scanner) (u squadRow, err error) {
			return u, row.Scan(&u.competition, &u.season, &u.team, &u.body)
		})
		for _, u := range list {
			var squad goalcast.Squad
			if err := json.Unmarshal(u.body, &squad); err != nil {
				s.log.Error("a squad is passed over", "team", u.team, "error", err)
				continue
			}
			page.Squads = append(page.Squads, playerSquads(squad, id)...)
		}
		return err
	})
	return page, s.wrap(doing, err)
}

// playerSquads is what a squad says of a player: as one of it, else as one who left.
func playerSquads(squad goalcast.Squad, id goalcast.PlayerID) []goalcast.PlayerSquad {
	is := func(p goalcast.SquadPlayer) bool { return p.ID == id }
	for _, list := range [][]goalcast.SquadPlayer{squad.Players, squad.Left} {
		if i := slices.IndexFunc(list, is); i >= 0 {
			return []goalcast.PlayerSquad{{Competition: squad.Competition, Season: squad.Season, Team: squad.Team,
				As: list[i]}}
		}
	}
	return nil
}

// Seasons lists the seasons of a competition that matches, tables or squads tell of, the newest
// first. ErrNotFound for a competition that no fixture named.
func (s *Store) Seasons(ctx context.Context, competition goalcast.CompetitionID) (seasons []goalcast.Season,
	err error) {
	err = s.lagging(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, `SELECT season, MAX(standings), MAX(squads) FROM
			(SELECT season, 0 AS standings, 0 AS squads FROM seasons WHERE competition = $1
			UNION ALL SELECT season, 1, 0 FROM standings WHERE competition = $1
			UNION ALL SELECT season, 0, 1 FROM squad_lists WHERE competition = $1) a
			WHERE season <> '' GROUP BY season`, competition)
		seasons, err = collect(rows, err, func(row scanner) (a goalcast.Season, err error) {
			var standings, squads int
			err = row.Scan(&a.Season, &standings, &squads)
			a.Standings, a.Squads = standings == 1, squads == 1
			return a, err
		})
		return err
	})
	slices.SortFunc(seasons, func(a, b goalcast.Season) int { return strings.Compare(b.Season, a.Season) })
	if len(seasons) == 0 && err == nil {
		_, err = s.Competition(ctx, competition)
		return []goalcast.Season{}, err
	}
	return seasons, s.wrap(fmt.Sprintf("seasons of competition %d", competition), err)
}

// Competitions lists competitions by id, those after one; at most limit, and at most 1000.
func (s *Store) Competitions(ctx context.Context, after goalcast.CompetitionID, limit int) (
	list []goalcast.Competition, err error) {
	if limit <= 0 {
		limit = maxMatches
	}
	err = s.lagging(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.query(ctx, `SELECT id, name FROM competitions WHERE id > $1 ORDER BY id LIMIT $2`, after,
			min(limit, maxMatches))
		list, err = collect(rows, err, func(row scanner) (c goalcast.Competition, err error) {
			return c, row.Scan(&c.ID, &c.Name)
		})
		return err
	})
	return list, s.wrap("competitions", err)
}
