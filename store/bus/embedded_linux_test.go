package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// listening are the inodes of this process's sockets that listen.
func listening(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6", "unix"} {
		table, err := os.ReadFile("/proc/self/net/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			switch {
			case name != "unix" && len(f) > 9 && f[3] == "0A": // LISTEN
				found[f[9]] = true
			case name == "unix" && len(f) > 6 && f[3] == "00010000": // accepts connections
				found[f[6]] = true
			}
		}
	}
	inode := regexp.MustCompile(`^socket:\[(\d+)\]$`)
	ours := map[string]bool{}
	files, _ := filepath.Glob("/proc/self/fd/*")
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil {
			if m := inode.FindStringSubmatch(target); m != nil && found[m[1]] {
				ours[m[1]] = true
			}
		}
	}
	return ours
}

// Nobody but this process reaches the embedded Redis: it listens on nothing.
func TestEmbeddedRedisListensNowhere(t *testing.T) {
	before := listening(t)
	r, err := OpenRedis("embedded")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for inode := range listening(t) {
		if !before[inode] {
			t.Errorf("socket %s listens", inode)
		}
	}
	// A pipeline longer than any buffer does not wait for itself.
	pipe := r.client.Pipeline()
	for i := range 1500 {
		pipe.Set(t.Context(), fmt.Sprint("key-", i), strings.Repeat("x", 200), 0)
		pipe.Get(t.Context(), fmt.Sprint("key-", i))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
