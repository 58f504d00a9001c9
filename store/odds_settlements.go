package store

import (
	"context"
	"encoding/json"
	"fmt"

	"goalcast"
)

// SaveSettlements commits what is new of settlements, with their outbox rows, and returns that: the
// caller publishes it. The revision is counted here. What says the same as the newest revision of
// its id changes nothing, nor does taking back what was never told. No phone is told.
func (s *Store) SaveSettlements(ctx context.Context, events []goalcast.Event) (saved []goalcast.Event, err error) {
	for _, e := range events {
		if e.Kind != goalcast.KindSettlement || e.Settlement == nil || e.Seq != 0 || e.ID == "" || len(e.Topics) == 0 {
			return nil, fmt.Errorf("save settlement %q: %w: want kind settlement, an id, topics and no seq", e.ID,
				goalcast.ErrPermanent)
		}
	}
	err = s.tx(ctx, "save settlements", func(tx *tx) error {
		saved = nil
		for _, e := range events {
			last, err := tx.newestSettlement(ctx, e.Match, e.ID)
			if err != nil {
				return err
			}
			if !e.Counts() && last.Revision > 0 { // what is taken back is what was told
				e.Settlement = last.Settlement
			}
			if last.Revision == 0 && !e.Counts() || last.Revision > 0 && e.SameContent(last) {
				continue
			}
			e.Revision = last.Revision + 1
			if err := tx.saveEvents(Silent(ctx), []goalcast.Event{e}, s.Now()); err != nil {
				return err
			}
			saved = append(saved, e)
		}
		if len(saved) == 0 {
			return errRollback
		}
		return nil
	})
	return saved, err
}

// newestSettlement is the newest revision of an event; one of revision 0 if there is none.
func (t *tx) newestSettlement(ctx context.Context, match goalcast.MatchID, id string) (e goalcast.Event, err error) {
	var body []byte
	err = t.queryRow(ctx, `SELECT body FROM events WHERE match_id = $1 AND id = $2 ORDER BY revision DESC LIMIT 1`,
		match, id).Scan(&body)
	if noRows(err) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(body, &e)
}

// maxSettlements is how many markets of a match are listed.
const maxSettlements = 2000

// Settlements lists how bets on a match's markets ended: the newest revision of each, by id. Those
// that were taken back are among them, cancelled.
func (s *Store) Settlements(ctx context.Context, match goalcast.MatchID) ([]goalcast.Event, error) {
	rows, err := s.query(ctx, `SELECT body FROM events e WHERE match_id = $1 AND seq = 0 AND id LIKE 'settlement:%'
		AND revision = (SELECT MAX(revision) FROM events WHERE match_id = $1 AND id = e.id) ORDER BY id LIMIT $2`,
		match, maxSettlements)
	list, err := collect(rows, err, func(row scanner) (e goalcast.Event, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return e, err
		}
		return e, json.Unmarshal(body, &e)
	})
	return list, s.wrap(fmt.Sprintf("settlements of match %d", match), err)
}
