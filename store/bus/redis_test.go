package bus

import (
	"strings"
	"testing"
	"time"
)

func TestRedisURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url  string
		good bool
	}{
		{"embedded", true},
		{"redis://user:secret@127.0.0.1:6379/2", true},
		{"rediss://127.0.0.1:6379", true},
		{"redis+sentinel://:secret@a:26379,b:26379/main?db=2&tls=true", true},
		{"redis+cluster://a:7000,b:7001?tls=true", true},
		{"redis+sentinel://a:26379/", false},
		{"redis+sentinel://a/main", false},
		{"redis+sentinel://a:1/main?db=secret", false},
		{"redis+cluster://a:7000?tls=perhaps", false},
		{"redis://user:secret@a:b:c", false},
		{"memcached://a", false},
		{"", false},
	} {
		r, err := OpenRedis(tt.url)
		if (err == nil) != tt.good {
			t.Errorf("OpenRedis(%q) = %v", tt.url, err)
		}
		if err == nil {
			r.Close()
		} else if strings.Contains(err.Error(), "user:secret") {
			t.Errorf("OpenRedis(%q): the error shows the password: %v", tt.url, err)
		}
	}
}

func TestEmbeddedKeysExpire(t *testing.T) {
	t.Parallel()
	r := newRig(t, "embedded", Options{})
	if err := r.redis.client.Set(t.Context(), "x", 1, 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for r.redis.client.Exists(t.Context(), "x").Val() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the key is still there")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
