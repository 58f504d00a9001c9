package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"goalcast"
)

const liveColumns = `service, channel, match_id, created, sent, shown, opened, ended, started`

func scanLiveChannel(row scanner) (c goalcast.LiveChannel, err error) {
	var created, sent, opened, ended int64
	err = row.Scan(&c.Service, &c.ID, &c.Match, &created, &sent, &c.Shown, &opened, &ended, &c.Started)
	c.Created, c.Sent, c.Opened, c.Ended = fromMillis(created), fromMillis(sent), fromMillis(opened), fromMillis(ended)
	return c, err
}

// LiveChannels lists the channels of all matches at all push services, by match and service.
func (s *Store) LiveChannels(ctx context.Context) ([]goalcast.LiveChannel, error) {
	rows, err := s.query(ctx, `SELECT `+liveColumns+` FROM live_channels ORDER BY match_id, service`)
	list, err := collect(rows, err, scanLiveChannel)
	return list, s.wrap("read live channels", err)
}

// AddLiveChannel keeps a channel that was just created, with Created; false if the match has one at
// that service.
func (s *Store) AddLiveChannel(ctx context.Context, c goalcast.LiveChannel) (added bool, err error) {
	err = s.tx(ctx, "add live channel", func(tx *tx) error {
		result, err := tx.exec(ctx, `INSERT INTO live_channels (service, channel, match_id, created)
			VALUES ($1, $2, $3, $4) ON CONFLICT (service, match_id) DO NOTHING`, c.Service, c.ID, c.Match,
			toMillis(c.Created))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		added = n > 0
		return err
	})
	return added, err
}

// StampLivePush notes the time that a push is about to carry; false if there is no such channel, or
// another process has sent one of that time or later: phones would leave this one out.
func (s *Store) StampLivePush(ctx context.Context, c goalcast.LiveChannel, at time.Time) (bool, error) {
	result, err := s.exec(ctx, `UPDATE live_channels SET sent = $3 WHERE service = $1 AND channel = $2 AND sent < $3`,
		c.Service, c.ID, toMillis(at))
	if err != nil {
		return false, s.wrap("stamp live push", err)
	}
	n, err := result.RowsAffected()
	return n > 0, s.wrap("stamp live push", err)
}

// SaveLivePush keeps what phones show and know of the match: Shown, Opened, Ended.
func (s *Store) SaveLivePush(ctx context.Context, c goalcast.LiveChannel) error {
	_, err := s.exec(ctx, `UPDATE live_channels SET shown = $3, opened = $4, ended = $5
		WHERE service = $1 AND channel = $2`, c.Service, c.ID, c.Shown, toMillis(c.Opened), toMillis(c.Ended))
	return s.wrap("save live push", err)
}

// SaveLiveStarts notes up to which device activities are started, before they are: a start that is
// sent twice is two activities on the phone.
func (s *Store) SaveLiveStarts(ctx context.Context, c goalcast.LiveChannel, device int64) error {
	_, err := s.exec(ctx, `UPDATE live_channels SET started = $3 WHERE service = $1 AND channel = $2`, c.Service, c.ID,
		device)
	return s.wrap("save live starts", err)
}

// DeleteLiveChannel forgets a channel that the push service has no more.
func (s *Store) DeleteLiveChannel(ctx context.Context, c goalcast.LiveChannel) error {
	_, err := s.exec(ctx, `DELETE FROM live_channels WHERE service = $1 AND channel = $2`, c.Service, c.ID)
	return s.wrap("delete live channel", err)
}

// LiveAudience lists devices of those who follow any of the topics, on which activities can be
// started: the next ones after a device, by id, at most limit.
func (s *Store) LiveAudience(ctx context.Context, topics []goalcast.Topic, after int64, limit int) (
	[]goalcast.LiveDevice, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	conditions, args := make([]string, len(topics)), []any{after, limit}
	for i, t := range topics {
		conditions[i] = fmt.Sprintf("kind = $%d AND topic = $%d", 3+2*i, 4+2*i)
		args = append(args, int(t.Kind), t.ID)
	}
	rows, err := s.query(ctx, `SELECT id, live_token, live_sealed, live_sealed_by, language FROM devices WHERE live_token <> '' AND id > $1
		AND user_id IN (SELECT user_id FROM follows WHERE `+strings.Join(conditions, " OR ")+`)
		ORDER BY id LIMIT $2`, args...)
	list, err := collectReadable(s, rows, err, func(row scanner) (d goalcast.LiveDevice, err error) {
		var kept keptToken
		if err := row.Scan(&d.ID, &kept.token, &kept.sealed, &kept.sealedBy, &d.Language); err != nil {
			return d, err
		}
		d.Token, err = s.reveal(d.ID, kept)
		return d, err
	})
	return list, s.wrap("read devices for activities", err)
}

// ForgetLiveToken forgets how to start activities on a device: the push service knows no such
// token.
func (s *Store) ForgetLiveToken(ctx context.Context, device int64, token string) error {
	places := s.places(token)
	_, err := s.exec(ctx, `UPDATE devices SET live_token = '', live_sealed = NULL, live_sealed_by = ''
		WHERE id = $1 AND live_token IN `+valuesList(1, len(places), 2), append([]any{device}, places...)...)
	return s.wrap("forget token for activities", err)
}

// liveTokenRow is a token for activities as new rows have it.
func (s *Store) liveTokenRow(token string) keptToken {
	if token == "" {
		return keptToken{}
	}
	return s.tokenRow(token)
}

// resealLive is ResealDevices for the tokens for activities.
func (s *Store) resealLive(ctx context.Context) error {
	for last := int64(0); ; {
		type kept struct {
			id int64
			keptToken
		}
		rows, err := s.query(ctx, `SELECT id, live_token, live_sealed, live_sealed_by FROM devices
			WHERE live_token <> '' AND live_sealed_by <> $1 AND id > $2 ORDER BY id LIMIT $3`, s.keys.Current(), last,
			sealBatch)
		list, err := collect(rows, err, func(row scanner) (k kept, err error) {
			return k, row.Scan(&k.id, &k.token, &k.sealed, &k.sealedBy)
		})
		if err != nil || len(list) == 0 {
			return s.wrap("read tokens for activities to seal", err)
		}
		err = s.tx(ctx, "seal tokens for activities", func(tx *tx) error {
			for _, k := range list {
				token, err := s.reveal(k.id, k.keptToken)
				if err != nil {
					s.log.Error("a device is passed over", "device", k.id, "error", err)
					continue
				}
				fresh := s.tokenRow(token)
				if _, err := tx.exec(ctx, `UPDATE devices SET live_token = $2, live_sealed = $3, live_sealed_by = $4
					WHERE id = $1 AND live_token = $5`, k.id, fresh.token, fresh.sealed, fresh.sealedBy,
					k.token); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		last = list[len(list)-1].id
	}
}
