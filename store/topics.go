package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"goalcast"
)

// FollowedBy says whether topics have so many followers, or more, each topic counted by itself. It
// counts no further.
func (s *Store) FollowedBy(ctx context.Context, topics []goalcast.Topic, followers int) (bool, error) {
	if len(topics) == 0 {
		return false, nil
	}
	parts, args := make([]string, len(topics)), []any{followers}
	for i, t := range topics {
		parts[i] = fmt.Sprintf(`(SELECT COUNT(*) FROM (SELECT 1 FROM follows WHERE kind = $%d AND topic = $%d
			LIMIT $1) AS t%d)`, 2+2*i, 3+2*i, i)
		args = append(args, int(t.Kind), t.ID)
	}
	var count int
	err := s.queryRow(ctx, `SELECT `+strings.Join(parts, " + "), args...).Scan(&count)
	return count >= followers, s.wrap("count followers", err)
}

// topicsChanged says that what a user's devices listen to has to be compared with his follows and
// preferences.
func (t *tx) topicsChanged(ctx context.Context, user goalcast.UserID, now int64) error {
	_, err := t.exec(ctx, `UPDATE devices SET topics_due = $2 WHERE user_id = $1`, string(user), now)
	return err
}

// TopicPhones lists devices whose topics are due at a time, with what their users follow; those
// that listen to some, and no others, if only is set.
func (s *Store) TopicPhones(ctx context.Context, now time.Time, only bool, limit int) ([]goalcast.TopicPhone, error) {
	which := `topics_due > 0 AND topics_due <= $1 ORDER BY topics_due`
	if only {
		which = `topics_due <= $1 AND (topics <> '' OR topics_unsure <> '') ORDER BY id`
	}
	rows, err := s.query(ctx, `SELECT d.id, d.token, d.sealed, d.sealed_by, d.user_id, d.carrier, d.language, d.proven,
		d.topics, d.topics_unsure, d.topics_due, EXISTS (SELECT 1 FROM preferences p WHERE p.user_id = d.user_id)
		FROM devices d WHERE `+which+` LIMIT $2`, toMillis(now), limit)
	phones, err := collect(rows, err, func(row scanner) (p goalcast.TopicPhone, err error) {
		var kept keptToken
		var topics, unsure string
		err = row.Scan(&p.ID, &kept.token, &kept.sealed, &kept.sealedBy, &p.User, &p.Carrier, &p.Language, &p.Proven,
			&topics, &unsure, &p.Due, &p.Prefers)
		if err != nil {
			return p, err
		}
		p.Topics, p.Unsure = strings.Fields(topics), strings.Fields(unsure)
		if p.Token, err = s.reveal(p.ID, kept); err != nil {
			s.log.Error("a device is passed over", "device", p.ID, "error", err)
			p.Token, err = "", nil // its row is looked at, or it would be found again and again
		}
		return p, err
	})
	if err != nil || len(phones) == 0 {
		return nil, s.wrap("read devices whose topics are due", err)
	}
	follows, err := s.followsOf(ctx, phones)
	for i := range phones {
		phones[i].Follows = follows[phones[i].User]
	}
	return phones, err
}

// followsOf are the follows of devices' users.
func (s *Store) followsOf(ctx context.Context, phones []goalcast.TopicPhone) (map[goalcast.UserID][]goalcast.Topic,
	error) {
	all := map[goalcast.UserID][]goalcast.Topic{}
	for part := range slices.Chunk(phones, 500) {
		users := make([]any, len(part))
		for i, p := range part {
			users[i] = string(p.User)
		}
		rows, err := s.query(ctx, `SELECT user_id, kind, topic FROM follows
			WHERE user_id IN `+valuesList(1, len(users), 1)+` ORDER BY user_id, kind, topic`, users...)
		if _, err = collect(rows, err, func(row scanner) (struct{}, error) {
			var user goalcast.UserID
			var t goalcast.Topic
			err := row.Scan(&user, &t.Kind, &t.ID)
			if err == nil && !slices.Contains(all[user], t) { // a user may have several of the devices
				all[user] = append(all[user], t)
			}
			return struct{}{}, err
		}); err != nil {
			return nil, s.wrap("read follows of devices", err)
		}
	}
	return all, nil
}

// SavePhoneTopics notes what devices listen to, and when to look at them next. One whose user has
// changed something since it was read is looked at in any case.
func (s *Store) SavePhoneTopics(ctx context.Context, phones []goalcast.TopicPhone) error {
	phones = slices.SortedFunc(slices.Values(phones), // as others that change several devices lock them
		func(a, b goalcast.TopicPhone) int { return cmp.Compare(a.ID, b.ID) })
	for part := range slices.Chunk(phones, 500) {
		err := s.tx(ctx, "save topics of devices", func(tx *tx) error {
			for _, p := range part {
				if _, err := tx.exec(ctx, `UPDATE devices SET topics = $2, topics_unsure = $3,
					topics_due = CASE WHEN topics_due = $4 THEN $5 ELSE topics_due END WHERE id = $1`, p.ID,
					strings.Join(p.Topics, " "), strings.Join(p.Unsure, " "), p.Due, p.Next); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TopicPushes lists the pushes that went to topics since a time, or are about to, by event.
func (s *Store) TopicPushes(ctx context.Context, since time.Time) ([]goalcast.TopicPush, error) {
	rows, err := s.query(ctx, `SELECT event_id, topics, EXISTS (SELECT 1 FROM push_batches b
		WHERE b.event_id = p.event_id AND b.language <> '' AND b.state IN ('planned', 'claimed'))
		FROM pushes p WHERE by_topic AND planned >= $1 ORDER BY event_id`, toMillis(since))
	list, err := collect(rows, err, func(row scanner) (p goalcast.TopicPush, err error) {
		var topics []byte
		if err = row.Scan(&p.Event, &topics, &p.Open); err == nil && json.Unmarshal(topics, &p.Topics) != nil {
			p.Topics = nil // as in scanPush
		}
		return p, err
	})
	return list, s.wrap("read pushes to topics", err)
}

// ReachedByTopic notes that devices of a push service got an event's push to the topics of a
// language, or may have: what corrects it has to go to them by their tokens, since they listen no
// more.
func (s *Store) ReachedByTopic(ctx context.Context, event, service, language string, devices []int64) error {
	return s.tx(ctx, "note who got a push to topics", func(tx *tx) error {
		rows, err := tx.query(ctx, `SELECT id, reached FROM push_batches WHERE event_id = $1 AND language = $2
			AND service = $3 AND source = ''`+tx.dialect.forUpdate, event, language, service)
		type batch struct {
			id      string
			reached []byte
		}
		batches, err := collect(rows, err, func(row scanner) (b batch, err error) {
			err = row.Scan(&b.id, &b.reached)
			return b, err
		})
		if err != nil {
			return err
		}
		for _, b := range batches {
			reached, err := joinIDs(b.reached, packIDs(devices))
			if err != nil {
				return err
			}
			if _, err := tx.exec(ctx, `UPDATE push_batches SET reached = $2 WHERE id = $1`, b.id, reached); err != nil {
				return err
			}
		}
		return nil
	})
}

// Listening lists those of the devices that surely listen to topics: their number, language and
// topics.
func (s *Store) Listening(ctx context.Context, ids []int64) ([]goalcast.TopicPhone, error) {
	var out []goalcast.TopicPhone
	for part := range slices.Chunk(ids, 1000) {
		rows, err := s.query(ctx, `SELECT id, language, topics FROM devices WHERE topics <> ''
			AND id IN `+valuesList(1, len(part), 1), anyIDs(part)...)
		found, err := collect(rows, err, func(row scanner) (p goalcast.TopicPhone, err error) {
			var topics string
			err = row.Scan(&p.ID, &p.Language, &topics)
			p.Topics = strings.Fields(topics)
			return p, err
		})
		if err != nil {
			return nil, s.wrap("read who listens to topics", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// TopicLeavers lists devices that were deleted while they listened to topics. One whose token has
// been registered again meanwhile is none: what its phone listens to is noted there.
func (s *Store) TopicLeavers(ctx context.Context, limit int) ([]goalcast.TopicPhone, error) {
	rows, err := s.query(ctx, `SELECT id, token, sealed, sealed_by, carrier, topics FROM topic_leavers ORDER BY id
		LIMIT $1`, limit)
	found, err := collect(rows, err, func(row scanner) (p goalcast.TopicPhone, err error) {
		var kept keptToken
		var topics string
		if err = row.Scan(&p.ID, &kept.token, &kept.sealed, &kept.sealedBy, &p.Carrier, &topics); err != nil {
			return p, err
		}
		p.Unsure = strings.Fields(topics)
		if p.Token, err = s.reveal(p.ID, kept); err != nil {
			s.log.Error("a token that leaves its topics is passed over", "id", p.ID, "error", err)
			p.Token, err = "", nil
		}
		return p, err
	})
	if err != nil {
		return nil, s.wrap("read who leaves topics", err)
	}
	var out []goalcast.TopicPhone
	for _, p := range found {
		back, err := s.returned(ctx, p)
		if err != nil {
			return nil, err
		}
		if !back {
			out = append(out, p)
		}
	}
	return out, nil
}

// returned gives what a leaver listens to to the device that has its token now, if there is one.
// Nothing can be done for a token that cannot be read.
func (s *Store) returned(ctx context.Context, p goalcast.TopicPhone) (bool, error) {
	back := p.Token == ""
	err := s.tx(ctx, "look who left topics", func(tx *tx) error {
		if !back {
			places := s.places(p.Token)
			var id int64
			var topics, unsure string
			err := tx.queryRow(ctx, `SELECT id, topics, topics_unsure FROM devices WHERE token IN `+
				valuesList(1, len(places), 1)+` ORDER BY id LIMIT 1`+tx.dialect.forUpdate, places...).Scan(&id, &topics,
				&unsure)
			if noRows(err) {
				return nil
			}
			if err != nil {
				return err
			}
			sure := slices.DeleteFunc(strings.Fields(topics), func(t string) bool {
				return slices.Contains(p.Unsure, t)
			})
			all := append(strings.Fields(unsure), p.Unsure...)
			slices.Sort(all)
			if _, err := tx.exec(ctx, `UPDATE devices SET topics = $2, topics_unsure = $3, topics_due = $4 WHERE id = $1`,
				id, strings.Join(sure, " "), strings.Join(slices.Compact(all), " "), toMillis(s.Now())); err != nil {
				return err
			}
			back = true
		}
		_, err := tx.exec(ctx, `DELETE FROM topic_leavers WHERE id = $1`, p.ID)
		return err
	})
	return back && err == nil, err
}

// ForgetLeavers deletes leavers that listen to nothing any more.
func (s *Store) ForgetLeavers(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `DELETE FROM topic_leavers WHERE id IN `+valuesList(1, len(ids), 1), anyIDs(ids)...)
	return s.wrap("forget who left topics", err)
}
