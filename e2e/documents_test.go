package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// command runs a goalcast command to its end and returns what it printed; wrong says whether
// it ended with an error.
func command(t *testing.T, env []string, args ...string) (out, log string, wrong bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(append(os.Environ(), goRace), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return stdout.String(), stderr.String(), err != nil
}

// jsonMatch is a document of the JSON feed, with goals as many as told.
func jsonMatch(minute, goals int) string {
	var events []string
	for i := range goals {
		events = append(events, fmt.Sprintf(`{"id":"goal-%d","kind":"goal","team":9000000011,"period":"first_half","minute":%d}`, i+1, 10+i))
	}
	return fmt.Sprintf(`{"time":"2026-05-17T14:%02d:00Z","match":9000000001,"fixture":{"home":{"id":9000000011,"name":"Millpond Athletic"},"away":{"id":9000000012,"name":"Quarry Town"}},
		"events":[{"id":"kick-off","kind":"period","period":"first_half"}%s]}`, minute, strings.Join(append([]string{""}, events...), ","))
}

// An operator's evening: documents in, one of them broken, one twice; he lists them, looks at one,
// hears the alarm and acknowledges it, replays and rebuilds.
func TestDocumentsReplayAndAlarms(t *testing.T) {
	t.Parallel()
	env := onFile(t, "GOALCAST_RETENTION=json=30d")
	p := start(t, env, "serve")
	post := func(body string, want int) {
		t.Helper()
		if got, text := ask(t, http.MethodPost, p.public+"/feeds/json", nil, body); got != want {
			t.Fatal(got, text)
		}
	}
	post(jsonMatch(40, 1), http.StatusOK)
	post(jsonMatch(41, 2), http.StatusOK)
	post(jsonMatch(41, 2), http.StatusOK)
	post(`{"match":9000000001,"oops":true}`, http.StatusUnprocessableEntity) // kept all the same

	admin := func(method, path string) (status int, text string) {
		t.Helper()
		return ask(t, method, p.admin+path, bearer(operatorToken), "")
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		waitFor(t, 40*time.Second, what, func() error {
			if !holds() {
				return errors.New("not so")
			}
			return nil
		})
	}
	var list string
	eventually("three documents, done", func() bool {
		list, _, _ = command(t, env, "documents", "--provider", "json", "--match=9000000001")
		return strings.Count(list, "applied") == 2 && strings.Count(list, "failed") == 1
	})
	rows := strings.Split(strings.TrimSpace(list), "\n")
	if len(rows) != 4 || !strings.Contains(rows[1], "oops") || strings.Fields(rows[2])[6] != "1" {
		t.Errorf("list:\n%s", list)
	}
	if out, _, _ := command(t, env, "documents", "list", "--state=failed", "--limit=1"); strings.Count(out, "\n") != 2 {
		t.Errorf("failed:\n%s", out)
	}
	if out, _, _ := command(t, env, "documents", "show", "1"); out != jsonMatch(40, 1) {
		t.Errorf("shown:\n%s", out)
	}
	if _, log, wrong := command(t, env, "documents", "show", "99"); !wrong || !strings.Contains(log, "not found") {
		t.Errorf("document 99: %s", log)
	}
	if _, log, wrong := command(t, env, "replay"); !wrong || !strings.Contains(log, "which documents") {
		t.Errorf("replay of nothing: %s", log)
	}
	if out, log, wrong := command(t, env, "replay", "--match=9000000001", "--dry-run", "--feed=match"); !wrong ||
		out != "" || !strings.Contains(log, "1 documents failed") {
		t.Errorf("dry run of all that is known: %s\n%s", out, log)
	}
	for from, documents := range map[time.Time]string{time.Now().Add(-time.Hour): `"documents":3`,
		time.Now().Add(time.Hour): `"documents":0`} {
		if _, log, _ := command(t, env, "replay", "--match=9000000001", "--feed=match",
			"--from="+from.Format(time.RFC3339), "--to="+from.Add(2*time.Hour).Format(time.RFC3339),
			"--dry-run"); !strings.Contains(log, documents) {
			t.Errorf("replay from %s, want %s: %s", from, documents, log)
		}
	}
	if _, log, wrong := command(t, env, "replay", "--error=oops"); !wrong || strings.Count(log, `"msg":"replay"`) != 1 {
		t.Errorf("replay by error: %s", log)
	}

	var alarm int64
	eventually("an alarm", func() bool {
		_, text := admin(http.MethodGet, "/admin/alarms?kind=unreadable")
		var got struct{ Alarms []goalcast.Alarm }
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Alarms) != 1 {
			return false
		}
		alarm = got.Alarms[0].ID
		return true
	})
	if status, text := admin(http.MethodPost, fmt.Sprintf("/admin/alarms/%d/ack", alarm)); status != http.StatusOK ||
		!strings.Contains(text, `"acked_by":"operator"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := admin(http.MethodGet, "/admin/queues"); status != http.StatusOK ||
		!regexp.MustCompile(`"name":"watch","began":"[^"]+","ended":"[^"]+","succeeded":"[^"]+","runs":[1-9]`).MatchString(text) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := admin(http.MethodGet, "/admin/queues/ingest.urgent/dead"); status != http.StatusOK ||
		text != `{"tasks":[]}` {
		t.Errorf("%d %s", status, text)
	}
	rebuiltGoal(t, p, env, eventually)
}

// rebuiltGoal loses a goal behind goalcast's back; a rebuild brings it back to viewers, and
// no phone hears of it.
func rebuiltGoal(t *testing.T, p *process, env settings, eventually func(string, func() bool)) {
	t.Helper()
	db := openStore(t, env)
	err := db.UpdateMatch(t.Context(), 9000000001, func(rec goalcast.MatchRecord) (goalcast.MatchRecord,
		[]goalcast.Event, error) {
		e, ok := rec.Snapshot.Event("json:goal-2")
		if !ok {
			t.Fatal("no second goal")
		}
		e.Revision, e.Seq, e.Status = e.Revision+1, rec.Snapshot.Seq+1, goalcast.Cancelled
		rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
		return rec, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	score := func() string {
		m := p.match(9000000001)
		return fmt.Sprintf("%d-%d", m.Score.Home, m.Score.Away)
	}
	eventually("the goal is lost", func() bool { return score() == "1-0" })
	before, err := db.UnplannedEvents(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	out, log, _ := command(t, env, "replay", "--match=9000000001", "--rebuild", "--dry-run")
	if !strings.Contains(out, "json:goal-2#3") || strings.Count(out, "\n") != 1 ||
		!strings.Contains(log, `"dry_run":true`) || score() != "1-0" {
		t.Errorf("dry run:\n%s\n%s", out, log)
	}
	if _, log, _ := command(t, env, "replay", "--match=9000000001", "--rebuild"); !strings.Contains(log,
		`"revisions":1`) {
		t.Errorf("rebuild:\n%s", log)
	}
	eventually("the goal is back", func() bool { return score() == "2-0" })
	after, err := db.UnplannedEvents(t.Context(), 100)
	if err != nil || len(after) != len(before) {
		t.Errorf("phones: %d events to plan before, %d after, %v", len(before), len(after), err)
	}
}
