package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPreviewOfPushes(t *testing.T) {
	preview := func(args ...string) (string, error) {
		t.Helper()
		var cli commands
		if _, err := parse(append([]string{"pushes", "preview"}, args...), &cli); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err := cli.Pushes.Preview.print(&out)
		return out.String(), err
	}
	all, err := preview()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# goal (goal): tag goal:900:opta:2750311967, collapse key goal:900, channel goals, high priority\n",
		"\nnl             GOAL! 67' Noordzand United 2-1 Val-Rouge\n               Joris Van den Wuyts\n",
		"\nfr, no scores  BUT ! 67' Noordzand United - Val-Rouge\n               Harbour League\n",
		"\nde             Neuer Termin: Noordzand United - Val-Rouge\n" +
			"               23.03.2026 20:45 · Harbour League\n",
		"\nen             Full time: Noordzand United 2-1 Val-Rouge\n               On penalties: 4-3\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("not printed: %q", want)
		}
	}
	sizes := regexp.MustCompile(`(?:android|ios|web) (\d+) B`).FindAllStringSubmatch(all, -1)
	if texts := strings.Count(all, "Noordzand"); len(sizes) < 3*26*8 || texts < len(sizes)/3 {
		t.Errorf("%d sizes of %d texts", len(sizes), texts)
	}
	for _, size := range sizes {
		if n, err := strconv.Atoi(size[1]); err != nil || n < 200 || n > 1000 {
			t.Errorf("%s: want 200 to 1000 bytes of the usual push", size[0])
		}
	}
	some, err := preview("--kind=status,period", "--lang=de", "--zone=UTC")
	if err != nil || strings.Contains(some, "(goal)") || strings.Contains(some, "\nfr") ||
		!strings.Contains(some, "\nde             Anstoß: ") || !strings.Contains(some, "23.03.2026 19:45") {
		t.Errorf("%v: %s", err, some)
	}
	for _, args := range []string{"--kind=goals", "--lang=it"} {
		if out, err := preview(args); err == nil || out != "" || !strings.Contains(err.Error(), args[:6]) {
			t.Errorf("%s: %v, %q", args, err, out)
		}
	}
}
