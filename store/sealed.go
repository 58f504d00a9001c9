package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goalcast/internal/seal"
)

// sealBatch is how many devices one transaction of ResealDevices changes.
const sealBatch = 500

// UseDeviceKeys makes the tokens of devices be kept encrypted; nil, as after Open, in the clear. It
// is called before anything else that has to do with devices.
func (s *Store) UseDeviceKeys(k *seal.Keys) { s.keys = k }

// DeviceKeys says whether the tokens of all devices can be read: ErrNoKey if one is encrypted with
// a key that UseDeviceKeys was not given.
func (s *Store) DeviceKeys(ctx context.Context) error {
	rows, err := s.query(ctx, `SELECT sealed_by FROM devices WHERE sealed_by <> ''
		UNION SELECT live_sealed_by FROM devices WHERE live_token <> '' AND live_sealed_by <> ''`)
	names, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
	if err != nil {
		return s.wrap("read which keys devices are sealed with", err)
	}
	for _, name := range names {
		if s.keys == nil || !slices.Contains(s.keys.Names(), name) {
			return fmt.Errorf("%w: devices are sealed with %q", ErrNoKey, name)
		}
	}
	return nil
}

// ErrNoKey means that the tokens of some devices cannot be read.
var ErrNoKey = errors.New("a key is not there")

// keptToken is a device's token as a row has it.
type keptToken struct {
	token    string // what it is found by
	sealed   []byte
	sealedBy string
}

// tokenRow is a token as new rows have it.
func (s *Store) tokenRow(token string) keptToken {
	if s.keys == nil {
		return keptToken{token: token}
	}
	return keptToken{token: s.keys.Lookup(token)[0], sealed: s.keys.Seal(token), sealedBy: s.keys.Current()}
}

// reveal is the token of a row; its error is of the kind that lists pass over.
func (s *Store) reveal(device int64, k keptToken) (string, error) {
	if k.sealedBy == "" {
		return k.token, nil
	}
	if s.keys == nil {
		return "", &unreadable{fmt.Sprintf("device %d", device), ErrNoKey}
	}
	token, err := s.keys.Open(k.sealedBy, k.sealed)
	if err != nil {
		return "", &unreadable{fmt.Sprintf("device %d", device), err}
	}
	return token, nil
}

// places are what a token may be found by, the one of new rows first.
func (s *Store) places(token string) []any {
	if s.keys == nil {
		return []any{token}
	}
	var out []any
	for _, hash := range s.keys.Lookup(token) {
		out = append(out, hash)
	}
	return append(out, token)
}

// reseal gives the row of a token that was kept otherwise the form of new rows, so that it is found
// as those are.
func (t *tx) reseal(ctx context.Context, fresh keptToken, places []any) error {
	if len(places) == 1 {
		return nil
	}
	rows, err := t.query(ctx, `SELECT token FROM devices WHERE token IN `+valuesList(1, len(places), 1), places...)
	found, err := collect(rows, err, func(row scanner) (text string, err error) { return text, row.Scan(&text) })
	if err != nil {
		return err
	}
	for _, old := range found {
		if old == fresh.token {
			continue
		}
		if err := t.moveToken(ctx, old, fresh); err != nil {
			return err
		}
	}
	return nil
}

// moveToken changes how a row's token is kept. If there is a row for it already, made by a process
// that had the keys sooner, that one is the newer, and the phone must not get each push twice.
func (t *tx) moveToken(ctx context.Context, old string, fresh keptToken) error {
	var there int
	err := t.queryRow(ctx, `SELECT COUNT(*) FROM devices WHERE token = $1`, fresh.token).Scan(&there)
	if err != nil {
		return err
	}
	if there > 0 {
		_, err = t.exec(ctx, `DELETE FROM devices WHERE token = $1`, old)
		return err
	}
	_, err = t.exec(ctx, `UPDATE devices SET token = $2, sealed = $3, sealed_by = $4 WHERE token = $1`, old,
		fresh.token, fresh.sealed, fresh.sealedBy)
	return err
}

// ResealDevices encrypts the tokens that are in the clear or encrypted with an older key, and
// counts them. Afterwards the older keys may be taken away.
func (s *Store) ResealDevices(ctx context.Context) (count int, err error) {
	if s.keys == nil {
		return 0, nil
	}
	for last := int64(0); ; {
		type kept struct {
			id int64
			keptToken
		}
		// "<>" in two halves, each of which the index has
		rows, err := s.query(ctx, `SELECT id, token, sealed, sealed_by FROM devices
			WHERE (sealed_by < $1 OR sealed_by > $1) AND id > $2 ORDER BY id LIMIT $3`, s.keys.Current(), last, sealBatch)
		list, err := collect(rows, err, func(row scanner) (k kept, err error) {
			return k, row.Scan(&k.id, &k.token, &k.sealed, &k.sealedBy)
		})
		if err != nil {
			return count, s.wrap("read devices to seal", err)
		}
		if len(list) == 0 {
			return count, s.resealLive(ctx)
		}
		err = s.tx(ctx, "seal devices", func(tx *tx) error {
			for _, k := range list {
				token, err := s.reveal(k.id, k.keptToken)
				if err != nil {
					s.log.Error("a device is passed over", "device", k.id, "error", err)
					continue
				}
				if err := tx.moveToken(ctx, k.token, s.tokenRow(token)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return count, err
		}
		count, last = count+len(list), list[len(list)-1].id
	}
}
