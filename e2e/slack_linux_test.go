package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTimerSlack: all threads of a serving process have the slack of the setting, the runtime's own
// too; a process that has enough is left as it is.
func TestTimerSlack(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"": "50000", "3ms": "3000000"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			var args []string
			if setting != "" {
				args = []string{"--timer-slack=" + setting}
			}
			p := start(t, nil, append([]string{"serve"}, args...)...)
			threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			if len(threads) < 3 {
				t.Fatalf("%d threads", len(threads))
			}
			for _, thread := range threads {
				slack, err := os.ReadFile("/proc/" + thread.Name() + "/timerslack_ns")
				if os.IsNotExist(err) {
					continue // it has ended
				}
				if err != nil {
					t.Skipf("the kernel does not tell: %v", err)
				}
				if got := strings.TrimSpace(string(slack)); got != want {
					t.Errorf("thread %s has %s ns, want %s", thread.Name(), got, want)
				}
			}
		})
	}
}
