package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// Limits of what one user may keep.
const (
	// MaxDevices is how many devices a user may have; dead ones are removed when a push to them
	// fails.
	MaxDevices = 20
	// MaxFollows is how many topics a user may follow.
	MaxFollows = 500
)

const deviceColumns = `d.id, d.token, d.sealed, d.sealed_by, d.user_id, d.platform, d.language,
	d.created, d.proven, d.carrier`

// SaveDevice registers a device, or notes that it is still there and updates the one with that
// token: platform, app, language, what starts activities on it, and whose it is, since a phone that
// changes hands keeps its token and must not get the pushes of its former owner. ID and Created of
// the argument are ignored. ErrTooMany beyond MaxDevices.
func (s *Store) SaveDevice(ctx context.Context, d goalcast.Device) error {
	return s.tx(ctx, "save device", func(tx *tx) error {
		if err := tx.lockUser(ctx, d.User); err != nil {
			return err
		}
		row := s.tokenRow(d.Token)
		if err := tx.reseal(ctx, row, s.places(d.Token)); err != nil {
			return err
		}
		var others int
		if err := tx.queryRow(ctx, `SELECT COUNT(*) FROM devices WHERE user_id = $1
			AND token <> $2`, string(d.User), row.token).Scan(&others); err != nil {
			return err
		}
		if others >= MaxDevices {
			return fmt.Errorf("%w devices: %d", goalcast.ErrTooMany, MaxDevices)
		}
		live := s.liveTokenRow(d.LiveToken)
		_, err := tx.exec(ctx, `INSERT INTO devices (token, sealed, sealed_by, user_id, platform, language, created,
				seen, proven, live_token, live_sealed, live_sealed_by, carrier)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, FALSE, $8, $9, $10, $11)
			ON CONFLICT (token) DO UPDATE
			SET user_id = excluded.user_id, platform = excluded.platform, language = excluded.language,
				seen = excluded.seen, live_token = excluded.live_token, live_sealed = excluded.live_sealed,
				live_sealed_by = excluded.live_sealed_by, carrier = excluded.carrier,
				topics_due = CASE WHEN devices.user_id <> excluded.user_id OR devices.language <> excluded.language
					OR devices.carrier <> excluded.carrier THEN excluded.seen ELSE devices.topics_due END`,
			row.token, row.sealed, row.sealedBy, string(d.User), d.Platform, d.Language, toMillis(s.Now()),
			live.token, live.sealed, live.sealedBy, d.Carrier())
		return err
	})
}

// DeleteDevice deletes a user's device; ErrNotFound if the user has none with that token, also when
// another user has.
func (s *Store) DeleteDevice(ctx context.Context, user goalcast.UserID, token string) error {
	return s.tx(ctx, "delete device", func(tx *tx) error {
		places := s.places(token)
		return tx.mustChange(ctx, `DELETE FROM devices WHERE user_id = $1
			AND token IN `+valuesList(1, len(places), 2), append([]any{string(user)}, places...)...)
	})
}

// DeleteToken deletes a device whoever it belongs to: the push service says that it is gone. It is
// no error if it is gone here too.
func (s *Store) DeleteToken(ctx context.Context, token string) error {
	return s.tx(ctx, "delete token", func(tx *tx) error {
		places := s.places(token)
		_, err := tx.exec(ctx, `DELETE FROM devices WHERE token IN `+valuesList(1, len(places), 1), places...)
		return err
	})
}

// ConfirmDevices notes that devices got a push.
func (s *Store) ConfirmDevices(ctx context.Context, ids []int64) error {
	for part := range slices.Chunk(ids, 1000) {
		err := s.tx(ctx, "confirm devices", func(tx *tx) error {
			_, err := tx.exec(ctx, `UPDATE devices SET proven = TRUE, topics_due = $1 WHERE NOT proven
				AND id IN `+valuesList(1, len(part), 2), append([]any{toMillis(s.Now())}, anyIDs(part)...)...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// NewDevices lists those of the devices that never got a push, in rising order.
func (s *Store) NewDevices(ctx context.Context, ids []int64) ([]int64, error) {
	var out []int64
	for part := range slices.Chunk(slices.Sorted(slices.Values(ids)), 1000) {
		rows, err := s.query(ctx, `SELECT id FROM devices WHERE NOT proven
			AND id IN `+valuesList(1, len(part), 1)+` ORDER BY id`, anyIDs(part)...)
		found, err := collect(rows, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
		if err != nil {
			return nil, s.wrap("read new devices", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func anyIDs(ids []int64) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}

// How long a device is kept without a sign of life.
const (
	// KeepDevice is how long ago an app must have registered its device, as it does at each start:
	// Firebase considers a token expired after that.
	KeepDevice = 270 * 24 * time.Hour
	// KeepNewDevice is the same for a device that never got a push.
	KeepNewDevice = 30 * 24 * time.Hour
)

// PruneDevices deletes devices without a sign of life for that long, and counts them. Preferences
// of a user who has neither devices nor follows go after KeepNewDevice.
func (s *Store) PruneDevices(ctx context.Context) (count int64, err error) {
	err = s.tx(ctx, "prune devices", func(tx *tx) error {
		now := s.Now()
		result, err := tx.exec(ctx, `DELETE FROM devices WHERE seen < $1 OR NOT proven
			AND seen < $2`, toMillis(now.Add(-KeepDevice)), toMillis(now.Add(-KeepNewDevice)))
		if err != nil {
			return err
		}
		if count, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `DELETE FROM preferences WHERE updated < $1
			AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.user_id = preferences.user_id)
			AND NOT EXISTS (SELECT 1 FROM follows f WHERE f.user_id = preferences.user_id)`,
			toMillis(now.Add(-KeepNewDevice)))
		return err
	})
	return count, err
}

// Devices lists a user's devices, oldest first.
func (s *Store) Devices(ctx context.Context, user goalcast.UserID) ([]goalcast.Device, error) {
	return s.devices(ctx, "read devices of user", `SELECT `+deviceColumns+` FROM devices d WHERE d.user_id = $1
		ORDER BY d.id`, string(user))
}

// Follow makes a user's devices get the pushes of a topic. Twice is once. ErrTooMany beyond
// MaxFollows.
func (s *Store) Follow(ctx context.Context, user goalcast.UserID, topic goalcast.Topic) error {
	return s.tx(ctx, "follow", func(tx *tx) error {
		if err := tx.lockUser(ctx, user); err != nil {
			return err
		}
		var others int
		if err := tx.queryRow(ctx, `SELECT COUNT(*) FROM follows WHERE user_id = $1 AND NOT (kind = $2 AND topic = $3)`,
			string(user), int(topic.Kind), topic.ID).Scan(&others); err != nil {
			return err
		}
		if others >= MaxFollows {
			return fmt.Errorf("%w follows: %d", goalcast.ErrTooMany, MaxFollows)
		}
		_, err := tx.exec(ctx, `INSERT INTO follows (user_id, kind, topic, created, place, opted_in)
			VALUES ($1, $2, $3, $4, COALESCE((SELECT MIN(place) FROM follows WHERE user_id = $1), $4),
				COALESCE((SELECT opted_in FROM preferences WHERE user_id = $1), FALSE))
			ON CONFLICT (user_id, kind, topic) DO NOTHING`,
			string(user), int(topic.Kind), topic.ID, toMillis(s.Now()))
		if err != nil {
			return err
		}
		return tx.topicsChanged(ctx, user, toMillis(s.Now()))
	})
}

// Unfollow ends what Follow began; it is no error if the user did not follow the topic.
func (s *Store) Unfollow(ctx context.Context, user goalcast.UserID, topic goalcast.Topic) error {
	return s.tx(ctx, "unfollow", func(tx *tx) error {
		_, err := tx.exec(ctx, `DELETE FROM follows WHERE user_id = $1 AND kind = $2
			AND topic = $3`, string(user), int(topic.Kind), topic.ID)
		if err != nil {
			return err
		}
		return tx.forgetFollow(ctx, user, topic, toMillis(s.Now()))
	})
}

// Follows lists the topics that a user follows, by kind and id.
func (s *Store) Follows(ctx context.Context, user goalcast.UserID) ([]goalcast.Topic, error) {
	rows, err := s.query(ctx, `SELECT kind, topic FROM follows WHERE user_id = $1 ORDER BY kind, topic`, string(user))
	topics, err := collect(rows, err, func(row scanner) (t goalcast.Topic, err error) {
		err = row.Scan(&t.Kind, &t.ID)
		return t, err
	})
	return topics, s.wrap("read follows", err)
}

// Audience returns a part of those who follow any of the topics: of the next users after one, at
// most so many, all devices with their user's preferences, and where this part ends, for the next
// call ("" at first). more: others may follow. It takes as long as the part is large, however many
// followers there are: users come in the order of the index on follows, topic by topic, each once,
// in the order in which they first followed something. Of a kind of push that is off by default,
// only users count who have switched one on: they have an index of their own, so that a million
// others are not read.
func (s *Store) Audience(
	ctx context.Context, topics []goalcast.Topic, kind goalcast.PushKind, after goalcast.UserID, users int,
) (recipients []goalcast.Recipient, last goalcast.UserID, more bool, err error) {
	if len(topics) == 0 || users <= 0 {
		return nil, after, false, nil
	}
	place, user := splitPlace(after)
	optedIn := ""
	if !kind.Default() {
		optedIn = " AND opted_in"
	}
	parts := make([]string, len(topics))
	args := []any{place, user, users}
	for i, t := range topics {
		parts[i] = fmt.Sprintf(`SELECT place, user_id, %d AS via
			FROM (SELECT place, user_id FROM follows WHERE kind = $%d AND topic = $%d AND (place, user_id) > ($1, $2)%s
			ORDER BY place, user_id LIMIT $3) AS t%d`, 1<<i, 4+2*i, 5+2*i, optedIn, i)
		args = append(args, int(t.Kind), t.ID)
	}
	// A user comes once from each topic, so that the sum of via is the set of the topics that lead
	// to him; whoever is among the first of all is among the first of each of his topics.
	rows, err := s.query(ctx, `SELECT u.place, u.user_id, u.via, COALESCE(d.id, 0), COALESCE(d.carrier, ''),
			p.body FROM (
			SELECT place, user_id, SUM(via) AS via FROM (`+strings.Join(parts, " UNION ALL ")+`) AS followers
				GROUP BY place, user_id ORDER BY place, user_id LIMIT $3) AS u
		LEFT JOIN devices d ON d.user_id = u.user_id LEFT JOIN preferences p ON p.user_id = u.user_id
		ORDER BY u.place, u.user_id`, args...)
	last = after
	count := 0
	var wishes *goalcast.Preferences // of the user at hand
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var place, via, id int64
		var user, carrier string
		var body []byte
		if err := row.Scan(&place, &user, &via, &id, &carrier, &body); err != nil {
			return struct{}{}, err
		}
		if at := joinPlace(place, user); at != last {
			last = at
			count++
			wishes = s.wishes(user, body, topics, via)
		}
		if id > 0 {
			recipients = append(recipients, goalcast.Recipient{Device: id, Carrier: carrier, Preferences: wishes,
				Via: via})
		}
		return struct{}{}, nil
	})
	return recipients, last, count == users, s.wrap("read audience", err)
}

// wishes are a user's preferences for an event, by those of its topics that led to him; nil for
// the default.
func (s *Store) wishes(user string, body []byte, topics []goalcast.Topic, via int64) *goalcast.Preferences {
	if body == nil {
		return nil
	}
	var all goalcast.UserPreferences
	if err := json.Unmarshal(body, &all); err != nil {
		s.setAside("preferences", user, err)
		return nil
	}
	var followed []goalcast.Topic
	for i, t := range topics {
		if via&(1<<i) != 0 {
			followed = append(followed, t)
		}
	}
	p := all.For(followed)
	return &p
}

// joinPlace writes a user's place among all followers as text: "1700000000000/user".
func joinPlace(place int64, user string) goalcast.UserID {
	return goalcast.UserID(strconv.FormatInt(place, 10) + "/" + user)
}

// splitPlace reads what joinPlace wrote. Text without a place is a user from before there were
// places: 0. Empty text is before all users.
func splitPlace(at goalcast.UserID) (place int64, user string) {
	before, after, found := strings.Cut(string(at), "/")
	place, err := strconv.ParseInt(before, 10, 64)
	switch {
	case at == "":
		return -1, ""
	case !found || err != nil:
		return 0, string(at)
	}
	return place, after
}

// DevicesByID lists those of the devices that still exist.
func (s *Store) DevicesByID(ctx context.Context, ids []int64) ([]goalcast.Device, error) {
	var all []goalcast.Device
	for part := range slices.Chunk(ids, 1000) {
		devices, err := s.devices(ctx, "read devices", `SELECT `+deviceColumns+` FROM devices d
			WHERE d.id IN `+valuesList(1, len(part), 1)+` ORDER BY d.id`, anyIDs(part)...)
		if err != nil {
			return nil, err
		}
		all = append(all, devices...)
	}
	return all, nil
}

func (s *Store) devices(ctx context.Context, doing, query string, args ...any) ([]goalcast.Device, error) {
	rows, err := s.query(ctx, query, args...)
	devices, err := collectReadable(s, rows, err, func(row scanner) (d goalcast.Device, err error) {
		var created int64
		var carrier string
		var kept keptToken
		err = row.Scan(&d.ID, &kept.token, &kept.sealed, &kept.sealedBy, &d.User, &d.Platform, &d.Language, &created,
			&d.Proven, &carrier)
		if app, ok := goalcast.AppOfCarrier(carrier); ok {
			d.App = app
		}
		if err == nil {
			d.Token, err = s.reveal(d.ID, kept)
		}
		d.Created = fromMillis(created)
		return d, err
	})
	return devices, s.wrap(doing, err)
}

// lockUser makes transactions that count what a user has wait for each other: two at once would
// both see room for one more. SQLite has one writer anyway.
func (t *tx) lockUser(ctx context.Context, user goalcast.UserID) error {
	if t.dialect.name != "postgres" {
		return nil
	}
	_, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "user:"+string(user))
	return err
}

// mustChange runs a statement that has to find a row; ErrNotFound otherwise.
func (t *tx) mustChange(ctx context.Context, query string, args ...any) error {
	result, err := t.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return goalcast.ErrNotFound
}
