package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast/internal/doctor"
	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

// projectsFile writes a file of apps with keys beside it: DIR stands for their folder.
func projectsFile(t *testing.T, text string) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{"type": "service_account", "project_id": "bank",
		"client_email": "a@example.org", "token_uri": "https://oauth2.googleapis.com/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"key.json": account, "empty.json": nil,
		"other.json": []byte(`{"type":"authorized_user","client_secret":"hidden"}`), "apps.yaml": nil} {
		if name == "apps.yaml" {
			content = []byte(strings.ReplaceAll(text, "DIR", dir))
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "apps.yaml")
}

func TestProjectsFile(t *testing.T) {
	f := fcmConfig{Rate: 600_000, ProjectsFile: projectsFile(t, `# the first is of devices that name none
- name: bank
  project: bank-prod
  credentials_file: DIR/key.json
- {name: kids, project: bank-kids, credentials_file: DIR/key.json, rate: 60000}
`)}
	list, err := f.projects()
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	if list[0].Name != "bank" || list[0].Project != "bank-prod" || list[0].Rate != 600_000 ||
		list[1].Rate != 60_000 || len(list[0].credentials) == 0 || list[1].service() != "fcm:bank-kids" {
		t.Errorf("%s %d, %s %d", list[0].Name, list[0].Rate, list[1].service(), list[1].Rate)
	}
	// JSON is YAML
	f.ProjectsFile = projectsFile(t, `[{"name": "bank", "project": "bank-prod", "credentials_file": "DIR/key.json"}]`)
	if apps, err := f.apps(); err != nil || !slices.Equal(apps, []string{"bank"}) {
		t.Errorf("%v, %v", apps, err)
	}
	one := fcmConfig{Project: "bank", Credentials: "{}", Rate: 1}
	if apps, err := one.apps(); err != nil || apps != nil {
		t.Errorf("a single project has apps %v, %v", apps, err)
	}
	if list, err := one.projects(); err != nil || len(list) != 1 || list[0].service() != "fcm" {
		t.Errorf("%d, %v", len(list), err)
	}
}

func TestAWrongAppNamesItsLine(t *testing.T) {
	const right = "  project: bank\n  credentials_file: DIR/key.json\n"
	for _, tt := range []struct{ text, want string }{
		{"", "want a list of apps"},
		{"name: a\n", "want a list of apps"},
		{"\n- a\n", "line 2: want an app"},
		{"- name: a\n  projects: x\n", `line 2: no field "projects"`},
		{"- name: A b\n" + right, `line 1: name "A b"`},
		{"- name: a\n  credentials_file: DIR/key.json\n", `line 1: app "a": project: ""`},
		{"- name: a\n  project: a/b\n", `line 2: app "a": project: "a/b"`},
		{"- name: a\n  project: bank\n", `line 1: app "a": credentials_file: want the file`},
		{"- name: a\n  project: bank\n  credentials_file: DIR/none\n", `line 3: app "a": credentials_file: open`},
		{"- name: a\n  project: bank\n  credentials_file: DIR/empty.json\n", "empty.json is empty"},
		{"- name: a\n  project: bank\n  credentials_file: DIR/other.json\n",
			`line 3: app "a": credentials_file: firebase: the credentials are not the JSON key`},
		{"- name: a\n" + right + "  rate: -1\n", `line 4: app "a": rate: -1`},
		{"- name: a\n" + right + "  rate: many\n", "line 4: cannot unmarshal"},
		{"- name: a\n" + right + "- name: a\n" + right, `line 4: app "a" is there twice`},
		{"- name: a\n" + right + "- name: b\n" + right, `line 4: app "b": project bank is there twice`},
		{strings.Repeat("- {name: a}\n", maxProjects+1), "want at most 16 apps"},
	} {
		t.Setenv("GOALCAST_FCM_PROJECTS_FILE", projectsFile(t, tt.text))
		_, err := parse([]string{"serve"}, &commands{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(),
			"GOALCAST_FCM_PROJECTS_FILE") || strings.Contains(err.Error(), "hidden") ||
			strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	t.Setenv("GOALCAST_FCM_PROJECTS_FILE", projectsFile(t, "- name: a\n"+right))
	t.Setenv("GOALCAST_FCM_PROJECT", "bank")
	t.Setenv("GOALCAST_FCM_CREDENTIALS", "{}")
	if _, err := parse([]string{"serve"}, &commands{}); err == nil || !strings.Contains(err.Error(),
		"GOALCAST_FCM_PROJECTS_FILE: set, though GOALCAST_FCM_PROJECT") {
		t.Errorf("both forms: %v", err)
	}
}

// A node has a sender for each app, which reaches its project and no other, and topics of matches
// in each project.
func TestNodeWithSeveralApps(t *testing.T) {
	fake := &fcmtest.Server{}
	firebase := httptest.NewServer(fake)
	defer firebase.Close()
	t.Setenv("GOALCAST_FCM_PROJECTS_FILE", projectsFile(t, "- {name: bank, project: p1}\n"+
		"- {name: kids, project: p2}\n"))
	t.Setenv("GOALCAST_FCM_ENDPOINT", firebase.URL+"/v1")
	t.Setenv("GOALCAST_FCM_LIVE_TOPICS", "test.live")
	folder := t.TempDir()
	t.Setenv("GOALCAST_DATABASE_URL", "sqlite:"+filepath.Join(folder, "goalcast.db"))
	var cli commands
	if _, err := parse([]string{"serve"}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, roles: c.Roles, migrate: c.Migrate},
		options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	if len(n.senders) != 2 || len(n.live) != 2 {
		t.Fatalf("%d senders, %d that move matches", len(n.senders), len(n.live))
	}
	for i, want := range []string{"fcm:p1", "fcm:p2"} {
		r := n.senders[i].Send(t.Context(), []notify.Message{{Token: want, Platform: "android",
			Text: notify.Text{Title: "GOAL!"}, Expires: time.Now().Add(time.Minute)}})[0]
		if r.Outcome != notify.Delivered || r.Service != want || n.senders[i].Service() != want {
			t.Errorf("%+v, want %s", r, want)
		}
	}
	n.canary.Run(t.Context())
	if fake.DryRuns() != 2 {
		t.Errorf("%d dry runs", fake.DryRuns())
	}
	if f := finding(t, examined(t, "--database-url=sqlite:"+filepath.Join(folder, "x.db")),
		"GOALCAST_FCM_PROJECTS_FILE"); f.Status != doctor.OK {
		t.Errorf("%+v", f)
	}
}
