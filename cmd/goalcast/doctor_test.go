package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goalcast/internal/doctor"
	"goalcast/internal/testservers"
)

// examined is what a doctor finds who is called with arguments.
func examined(t *testing.T, args ...string) *doctor.Report {
	t.Helper()
	var cli commands
	command, err := parse(append([]string{"doctor", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
		"--viewers=10"}, args...), &cli)
	if err != nil {
		t.Fatal(err)
	}
	return cli.Doctor.examine(t.Context(), options{exposed: exposed(command)})
}

// finding is the worst thing found of a check.
func finding(t *testing.T, r *doctor.Report, check string) doctor.Finding {
	t.Helper()
	var worst doctor.Finding
	for _, f := range r.Findings {
		if f.Check == check && (worst.Check == "" || f.Status == doctor.Fail || worst.Status == doctor.OK) {
			worst = f
		}
	}
	if worst.Check == "" {
		t.Errorf("nothing is said of %s: %+v", check, r.Findings)
	}
	return worst
}

func TestDoctorOfServersThatAreWell(t *testing.T) {
	database, redis := testservers.Postgres(t), testservers.NewRedis(t)
	args := []string{"--database-url=" + database, "--redis-url=" + redis.URL}
	r := examined(t, args...)
	if f := finding(t, r, "GOALCAST_DATABASE_URL"); f.Status != doctor.Warn || !strings.Contains(f.Found, "empty") {
		t.Errorf("of an empty database: %+v", f)
	}
	r = examined(t, append(args, "--no-migrate")...)
	if f := finding(t, r, "GOALCAST_DATABASE_URL"); f.Status != doctor.Fail || f.Do != "goalcast migrate" {
		t.Errorf("of an empty database that serve does not migrate: %+v", f)
	}
	var cli commands
	command, err := parse([]string{"migrate", "--database-url=" + database}, &cli)
	if err != nil {
		t.Fatal(err)
	}
	command.BindTo(t.Context(), (*context.Context)(nil))
	if err := command.Run(options{}); err != nil {
		t.Fatal(err)
	}
	r = examined(t, args...)
	for _, check := range []string{"GOALCAST_DATABASE_URL", "GOALCAST_REDIS_URL", "clock", "open files",
		"GOALCAST_LISTEN"} {
		if f := finding(t, r, check); f.Status != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	if f := finding(t, r, "GOALCAST_REDIS_URL"); !strings.Contains(f.Found, "version 7") {
		t.Errorf("%+v", f)
	}

	redis.Do("CONFIG", "SET", "maxmemory", "100mb")
	redis.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if f := finding(t, examined(t, args...), "GOALCAST_REDIS_URL"); f.Status != doctor.Fail ||
		!strings.Contains(f.Do, "noeviction") {
		t.Errorf("of a Redis that deletes: %+v", f)
	}
}

func TestDoctorOfWhatIsAway(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	host := strings.TrimPrefix(gone.URL, "http://")
	const secret = "0123456789abcdef"
	t.Setenv("GOALCAST_FCM_PROJECT", "bank")
	t.Setenv("GOALCAST_FCM_ENDPOINT", gone.URL)
	r := examined(t, "--database-url=postgres://u:"+secret+"@"+host+"/x", "--redis-url=redis://:"+secret+"@"+host,
		"--alarm-webhook="+gone.URL+"/?key="+secret)
	for _, check := range []string{"GOALCAST_DATABASE_URL", "GOALCAST_REDIS_URL", "GOALCAST_FCM_PROJECT",
		"GOALCAST_ALARM_WEBHOOK"} {
		if f := finding(t, r, check); f.Status != doctor.Fail {
			t.Errorf("%+v", f)
		}
	}
	if f := finding(t, r, "settings"); f.Status != doctor.Warn {
		t.Errorf("secrets on the command line: %+v", f)
	}
	var text strings.Builder
	for _, asJSON := range []bool{false, true} {
		if err := printReport(&text, r, asJSON); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(text.String(), secret) {
		t.Error("a secret is shown: " + text.String())
	}
}

func TestDoctorOfTraces(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
	r := examined(t, "--database-url=sqlite::memory:")
	if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Status == doctor.Warn && strings.Contains(f.Found, "OTEL_EXPORTER_OTLP_ENDPOINT")
	}) {
		t.Errorf("%+v", r.Findings)
	}
}

func TestDoctorLooksAtFilesOfSecrets(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "0123456789abcdef", 0o644)
	t.Setenv("GOALCAST_ADMIN_TOKENS_FILE", write("tokens", "operator=0123456789abcdef", 0o604))
	t.Setenv("GOALCAST_FEED_SECRETS_FILE", write("feeds", "opta=0123456789abcdef", 0o600))
	t.Setenv("GOALCAST_ODDS_SOURCES_FILE", write("odds", "- name: x\n  kind: sse\n  priority: 1\n"+
		"  url: http://127.0.0.1:1/\n  header_files:\n    Authorization: "+secret+"\n", 0o644))
	r := examined(t, "--database-url=sqlite:"+filepath.Join(folder, "goalcast.db"))
	for check, want := range map[string]doctor.Status{"GOALCAST_ADMIN_TOKENS_FILE": doctor.Warn,
		"GOALCAST_FEED_SECRETS_FILE": doctor.OK} {
		if f := finding(t, r, check); f.Status != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	var modes, reached bool
	for _, f := range r.Findings {
		modes = modes || f.Check == "GOALCAST_ODDS_SOURCES_FILE" && f.Do == "chmod 0640 "+secret
		reached = reached || f.Check == "GOALCAST_ODDS_SOURCES_FILE" && strings.Contains(f.Found, "is not reached")
	}
	if !modes || !reached {
		t.Errorf("of a source's files (%v) and its address (%v): %+v", modes, reached, r.Findings)
	}
	if _, err := os.Stat(filepath.Join(folder, "goalcast.db")); err == nil {
		t.Error("the doctor has made a database")
	}
}

func TestDoctorOfWrongSettings(t *testing.T) {
	if wrongSettings([]string{"serve"}, os.ErrInvalid) != nil || wrongSettings(nil, os.ErrInvalid) != nil {
		t.Error("a report of another command")
	}
	t.Setenv("GOALCAST_DATABSE_URL", "x")
	var cli commands
	_, err := parse([]string{"doctor"}, &cli)
	if err == nil {
		t.Fatal("a setting that does not exist is taken")
	}
	r := wrongSettings([]string{"doctor", "--json"}, err)
	if r.Worst() != doctor.Fail || !strings.Contains(r.Findings[0].Found, "did you mean GOALCAST_DATABASE_URL?") {
		t.Errorf("%+v", r)
	}
}
