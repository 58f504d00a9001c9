package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"goalcast"
	"goalcast/internal/seal"
)

// deviceKeys makes keys by name.
func deviceKeys(t *testing.T, names ...string) *seal.Keys {
	t.Helper()
	for i, name := range names {
		names[i] = name + "=" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(name[:1]), seal.KeySize))
	}
	k, err := seal.Parse(strings.Join(names, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// inTheClear lists the devices' rows that hold a text or are not sealed with the key.
func inTheClear(t *testing.T, s *Store, text, key string) (found []string) {
	t.Helper()
	rows, err := s.query(t.Context(), `SELECT token, sealed, sealed_by FROM devices`)
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var k keptToken
		err = row.Scan(&k.token, &k.sealed, &k.sealedBy)
		if strings.Contains(k.token+string(k.sealed), text) || k.sealedBy != key {
			found = append(found, fmt.Sprintf("%+v", k))
		}
		return none, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Keys are given, exchanged and taken away while devices come, go and change hands: each is one
// device all the time.
func TestTokensAreSealed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, _ := mergeWorld(t, s)
		save("ann", "token-of-ann", "token-gone", "token-twice")
		s.UseDeviceKeys(deviceKeys(t, "first"))
		save("ann", "token-twice")  // the row in the clear becomes a sealed one
		save("bob", "token-of-bob") // never in the clear
		if err := s.DeleteDevice(t.Context(), "ann", "token-gone"); err != nil {
			t.Error(err)
		}
		if n, err := s.ResealDevices(t.Context()); n != 1 || err != nil {
			t.Errorf("%d sealed, %v", n, err)
		}
		s.UseDeviceKeys(nil) // a process that does not have the keys yet
		if err := s.DeviceKeys(t.Context()); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), `"first"`) {
			t.Errorf("without keys: %v", err)
		}
		if devices, err := s.Devices(t.Context(), "ann"); err != nil || len(devices) != 0 {
			t.Errorf("read without keys: %v, %v", devices, err)
		}
		save("ann", "token-of-ann")
		s.UseDeviceKeys(deviceKeys(t, "second", "first"))
		if err := s.DeviceKeys(t.Context()); err != nil {
			t.Error(err)
		}
		save("bob", "token-of-bob") // a phone that is heard of under the old key
		if n, err := s.ResealDevices(t.Context()); n != 3 || err != nil {
			t.Errorf("%d sealed, %v", n, err)
		}
		if left := inTheClear(t, s, "token", "second"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		s.UseDeviceKeys(deviceKeys(t, "second"))
		for user, want := range map[goalcast.UserID][]string{"ann": {"token-of-ann", "token-twice"},
			"bob": {"token-of-bob"}} {
			got := tokens(t, s, user)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s has %v, want %v", user, got, want)
			}
		}
		save("bob", "token-of-ann") // changes hands
		if err := s.DeleteToken(t.Context(), "token-of-bob"); err != nil {
			t.Error(err)
		}
		if got := tokens(t, s, "bob"); !slices.Equal(got, []string{"token-of-ann"}) {
			t.Errorf("bob has %v", got)
		}
	})
}

// A row that somebody damaged keeps no other from its push.
func TestADamagedTokenIsPassedOver(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, _ := mergeWorld(t, s)
		s.UseDeviceKeys(deviceKeys(t, "key"))
		save("ann", "token-1", "token-2", "token-3")
		all, err := s.Devices(t.Context(), "ann")
		if err != nil || len(all) != 3 {
			t.Fatal(all, err)
		}
		if err := s.tx(t.Context(), "damage", func(tx *tx) error {
			_, err := tx.exec(t.Context(), `UPDATE devices SET sealed = $1 WHERE id = $2`, []byte("damaged"), all[1].ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got, err := s.DevicesByID(t.Context(), []int64{all[0].ID, all[1].ID, all[2].ID})
		if err != nil || len(got) != 2 || got[0].Token != "token-1" || got[1].Token != "token-3" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
