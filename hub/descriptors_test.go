package hub_test

import (
	"os"
	"runtime"
	"testing"
)

// descriptors counts this process's open files; only Linux tells.
func descriptors(t testing.TB) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
