package bus

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// What nodes tell of their viewers is known everywhere, in the order of their names, until they are
// gone.
func TestAudiences(t *testing.T) {
	onBothRedises(t, func(t *testing.T, r *Redis) {
		here := New(r, Options{}, testLog(t), prometheus.NewRegistry())
		there := New(r, Options{}, testLog(t), prometheus.NewRegistry())
		read := func() []goalcast.Audience {
			t.Helper()
			list, err := there.Audiences(t.Context())
			must(t, err)
			for i, a := range list {
				if a.Age < 0 || a.Age > audienceLife {
					t.Errorf("told %v ago", a.Age)
				}
				list[i].Age = 0
			}
			return list
		}
		if list := read(); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		a := goalcast.Audience{Node: "web-2", Viewers: 5, Transports: map[string]int{"sse": 5}, Limit: 9,
			Reason: "draining", Followed: 3, Topics: []goalcast.TopicViewers{{Topic: goalcast.ForMatch(7), Viewers: 4}}}
		b := goalcast.Audience{Node: "web-1", Transports: map[string]int{}}
		must(t, here.TellAudience(t.Context(), a))
		must(t, here.TellAudience(t.Context(), b))
		a.Viewers = 6
		must(t, here.TellAudience(t.Context(), a))
		if list := read(); !reflect.DeepEqual(list, []goalcast.Audience{b, a}) {
			t.Errorf("%+v", list)
		}
		must(t, here.ForgetAudience(t.Context(), "web-1"))
		must(t, r.client.Del(t.Context(), here.names.audience("web-2")).Err()) // as when it has expired
		if list := read(); len(list) != 0 {
			t.Errorf("%+v", list)
		}
	})
}

func TestSessions(t *testing.T) {
	onBothRedises(t, func(t *testing.T, r *Redis) {
		here, there := NewSessions(r, ""), NewSessions(r, "") // two processes
		if _, err := there.Get(t.Context(), "a"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Error(err)
		}
		must(t, here.Put(t.Context(), "a", []byte("sealed"), time.Hour))
		if v, err := there.Get(t.Context(), "a"); err != nil || string(v) != "sealed" {
			t.Errorf("%q, %v", v, err)
		}
		must(t, there.Put(t.Context(), "a", []byte("ended"), 24*time.Hour))
		if v, err := here.Get(t.Context(), "a"); err != nil || string(v) != "ended" {
			t.Errorf("%q, %v", v, err)
		}
		if ttl := r.client.PTTL(t.Context(), here.names.session("a")).Val(); ttl <= 0 || ttl > maxSessionLife {
			t.Errorf("it ends in %v", ttl)
		}
	})
}
