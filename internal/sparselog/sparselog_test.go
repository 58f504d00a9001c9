package sparselog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneWarningAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		for range 150 {
			l.Warn("nobody answers", "who", "redis")
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "skipped=0 who=redis") ||
			!strings.Contains(lines[1], "skipped=59") {
			t.Errorf("logged\n%s", out.String())
		}
	})
}
