package swarm

import (
	"bytes"
	"fmt"
	"os"
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
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before may have spaces; the first is field 3
		if len(fields) < 22 {
			return Use{}, fmt.Errorf("usage of process %d: %q", pid, b)
		}
		number := func(field int) int64 {
			n, _ := strconv.ParseInt(fields[field-3], 10, 64)
			return n
		}
		user, system := number(14), number(15)
		all.User += time.Duration(user) * time.Second / ticks
		all.CPU += time.Duration(user+system) * time.Second / ticks
		all.RSS += number(24) * int64(os.Getpagesize())
	}
	return all, nil
}

// Since is what was taken since an earlier reading; RSS is the growth.
func (u Use) Since(before Use) Use {
	return Use{CPU: u.CPU - before.CPU, User: u.User - before.User, RSS: u.RSS - before.RSS}
}
