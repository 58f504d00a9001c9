package swarm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Use is what processes have taken.
type Use struct {
	CPU  time.Duration // user and system
	User time.Duration
	RSS  int64 // bytes
}

// ticks is Linux' USER_HZ: 100 wherever goalcast runs.
const ticks = 100

// Usage reads from /proc what some processes have taken together.
func Usage(pids ...int) (Use, error) {
	var all Use
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return Use{}, fmt.Errorf("usage of process %d: %w", pid, err)
		}
		// the name before may have spaces; the first is field 3
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) < 22 {
			return Use{}, fmt.Errorf("usage of process %d: %q", pid, b)
		}
		number := func(field int) int64 {
			n, _ := strconv.ParseInt(fields[field-3], 10, 64)
			return n
		}
		user, system := number(14), number(15)
		all.User += time.Duration(user) * time.Second / ticks
		all.CPU += max(time.Duration(user+system)*time.Second/ticks, scheduled(pid))
		all.RSS += number(24) * int64(os.Getpagesize())
	}
	return all, nil
}

// scheduled is the time the threads of a process ran, exact where the ticks of stat are
// hundredths of a second. What threads that have ended took is not in it; neither Go programs nor
// nginx end threads as a rule.
func scheduled(pid int) (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	for _, path := range tasks {
		b, _ := os.ReadFile(path) // gone meanwhile: 0
		text, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(text, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// Since is what was taken since an earlier reading; RSS is the growth.
func (u Use) Since(before Use) Use {
	return Use{CPU: u.CPU - before.CPU, User: u.User - before.User, RSS: u.RSS - before.RSS}
}
