package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

func TestLiveChannels(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		now := time.UnixMilli(s.Now().UnixMilli()).UTC()
		at := func(id string) goalcast.LiveChannel { return goalcast.LiveChannel{Service: "apns", ID: id} }
		add := func(match goalcast.MatchID, service, id string) bool {
			t.Helper()
			added, err := s.AddLiveChannel(ctx, goalcast.LiveChannel{Service: service, ID: id, Match: match,
				Created: now})
			if err != nil {
				t.Fatal(err)
			}
			return added
		}
		if !add(7, "apns", "seven") || !add(3, "apns", "three") || add(7, "apns", "another") ||
			!add(7, "fcm:demo", "seven") {
			t.Error("a match has one channel at each service")
		}
		for _, tt := range []struct {
			channel string
			time    time.Time
			want    bool
		}{{"seven", now, true}, {"seven", now, false}, {"seven", now.Add(-time.Second), false},
			{"seven", now.Add(time.Second), true}, {"none", now, false}} {
			if ok, err := s.StampLivePush(ctx, at(tt.channel), tt.time); err != nil ||
				ok != tt.want {
				t.Errorf("%s at %v: %v, %v", tt.channel, tt.time, ok, err)
			}
		}
		c := goalcast.LiveChannel{Service: "apns", ID: "seven", Match: 7, Created: now,
			Sent: now.Add(time.Second), Shown: []byte(`{"score": 1}`), Opened: now.Add(time.Minute), Ended: now.Add(time.Hour), Started: 99}
		if err := s.SaveLivePush(ctx, c); err != nil {
			t.Error(err)
		}
		if err := s.SaveLiveStarts(ctx, c, c.Started); err != nil {
			t.Error(err)
		}
		list, err := s.LiveChannels(ctx)
		if err != nil || len(list) != 3 || list[0].Match != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		if got := list[1]; got.Service != c.Service || got.ID != c.ID || !got.Created.Equal(c.Created) ||
			!got.Sent.Equal(c.Sent) ||
			!bytes.Equal(got.Shown, c.Shown) || !got.Opened.Equal(c.Opened) || !got.Ended.Equal(c.Ended) ||
			got.Started != c.Started {
			t.Errorf("%+v\nwant %+v", got, c)
		}
		for _, got := range []goalcast.LiveChannel{list[0], list[2]} {
			if len(got.Shown) > 0 || !got.Sent.IsZero() || !got.Opened.IsZero() || !got.Ended.IsZero() {
				t.Errorf("a new channel: %+v", got)
			}
		}
		if err := s.DeleteLiveChannel(ctx, c); err != nil {
			t.Error(err)
		}
		if list, err := s.LiveChannels(ctx); err != nil || len(list) != 2 || list[1].Service != "fcm:demo" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// Those who follow a match in several ways are one, page by page; devices without a token are none.
func TestAudienceOfActivities(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		topics := []goalcast.Topic{goalcast.ForMatch(7), goalcast.ForTeam(1)}
		for _, d := range []goalcast.Device{
			{Token: "a-phone", User: "anna", LiveToken: "aa"}, {Token: "a-tablet", User: "anna", LiveToken: "ab"},
			{Token: "b-phone", User: "bert"}, {Token: "c-phone", User: "cleo", LiveToken: "cc"},
			{Token: "d-phone", User: "dora", LiveToken: "dd"},
		} {
			d.Platform, d.Language = "ios", "fr"
			if err := s.SaveDevice(ctx, d); err != nil {
				t.Fatal(err)
			}
			if d.User == "dora" {
				continue
			}
			follow(t, s, d.User, topics[0])
			follow(t, s, d.User, topics[1])
		}
		var got []string
		var last goalcast.LiveDevice
		for {
			page, err := s.LiveAudience(ctx, topics, last.ID, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, last = range page {
				got = append(got, last.Token)
			}
		}
		if !slices.Equal(got, []string{"aa", "ab", "cc"}) || last.Language != "fr" {
			t.Errorf("%v", got)
		}
		if err := s.ForgetLiveToken(ctx, last.ID, "older"); err != nil {
			t.Error(err)
		}
		if page, err := s.LiveAudience(ctx, topics, 0, 9); err != nil || len(page) != 3 {
			t.Errorf("another token is forgotten: %v, %v", page, err)
		}
		if err := s.ForgetLiveToken(ctx, last.ID, "cc"); err != nil {
			t.Error(err)
		}
		if page, err := s.LiveAudience(ctx, topics, 0, 9); err != nil || len(page) != 2 {
			t.Errorf("%v, %v", page, err)
		}
	})
}

// The tokens are sealed as the devices' own are, when there are keys, and with the newest.
func TestTokensForActivitiesAreSealed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		topics := []goalcast.Topic{goalcast.ForMatch(7)}
		save := func(user goalcast.UserID) {
			t.Helper()
			if err := s.SaveDevice(ctx, goalcast.Device{Token: "device-of-" + string(user), User: user, Platform: "ios",
				Language: "nl", LiveToken: "live-of-" + string(user)}); err != nil {
				t.Fatal(err)
			}
			follow(t, s, user, topics[0])
		}
		save("anna")
		s.UseDeviceKeys(deviceKeys(t, "first"))
		save("bert")
		s.UseDeviceKeys(deviceKeys(t, "second", "first"))
		save("cleo")
		if _, err := s.ResealDevices(ctx); err != nil {
			t.Fatal(err)
		}
		rows, err := s.query(ctx, `SELECT live_token, live_sealed, live_sealed_by FROM devices`)
		kept, err := collect(rows, err, func(row scanner) (k keptToken, err error) {
			return k, row.Scan(&k.token, &k.sealed, &k.sealedBy)
		})
		if err != nil || len(kept) != 3 {
			t.Fatal(kept, err)
		}
		for _, k := range kept {
			if strings.Contains(k.token+string(k.sealed), "live-of") || k.sealedBy != "second" {
				t.Errorf("%+v", k)
			}
		}
		s.UseDeviceKeys(deviceKeys(t, "second"))
		list, err := s.LiveAudience(ctx, topics, 0, 9)
		if err != nil || len(list) != 3 || list[0].Token != "live-of-anna" || list[2].Token != "live-of-cleo" {
			t.Fatalf("%+v, %v", list, err)
		}
		if err := s.ForgetLiveToken(ctx, list[1].ID, list[1].Token); err != nil {
			t.Error(err)
		}
		if list, err := s.LiveAudience(ctx, topics, 0, 9); err != nil || len(list) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		s.UseDeviceKeys(deviceKeys(t, "third"))
		if err := s.DeviceKeys(ctx); !errors.Is(err, ErrNoKey) {
			t.Errorf("%v", err)
		}
	})
}
