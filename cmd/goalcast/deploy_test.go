package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeFile is what of https://compose-spec.io we use; anything else is a mistake.
type composeFile struct {
	Name     string                    `yaml:"name"`
	Services map[string]composeService `yaml:"services"`
	Networks map[string]struct {
		IPAM struct {
			Config []struct {
				Subnet string `yaml:"subnet"`
			} `yaml:"config"`
		} `yaml:"ipam"`
	} `yaml:"networks"`
	Volumes map[string]struct{} `yaml:"volumes"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
	More map[string]any `yaml:",inline"` // x-...
}

type composeService struct {
	Image       string            `yaml:"image"`
	Build       string            `yaml:"build"`
	Profiles    []string          `yaml:"profiles"`
	Command     []string          `yaml:"command"`
	Entrypoint  []string          `yaml:"entrypoint"`
	User        string            `yaml:"user"`
	Restart     string            `yaml:"restart"`
	StopGrace   string            `yaml:"stop_grace_period"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	Ulimits     map[string]int    `yaml:"ulimits"`
	Sysctls     map[string]int    `yaml:"sysctls"`
	Environment map[string]string `yaml:"environment"`
	Secrets     []string          `yaml:"secrets"`
	Networks    []string          `yaml:"networks"`
	NetworkMode string            `yaml:"network_mode"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Deploy      struct {
		Replicas int `yaml:"replicas"`
	} `yaml:"deploy"`
	Healthcheck struct {
		Test     []string `yaml:"test"`
		Interval string   `yaml:"interval"`
		Retries  int      `yaml:"retries"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

func readCompose(t *testing.T, name string) composeFile {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	var c composeFile
	if err := strict.Decode(&c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for key := range c.More {
		if !strings.HasPrefix(key, "x-") {
			t.Errorf("%s: %s", name, key)
		}
	}
	return c
}

// What compose files name is there: files, secrets, services, volumes, networks, and settings, with
// which goalcast would start.
func TestComposeFiles(t *testing.T) {
	for name, roles := range map[string]map[string]int{
		"compose.yaml":    nil,
		"compose-ha.yaml": {"hub": 3, "ingest": 2, "odds": 2, "notify": 2, "rest": 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := readCompose(t, name)
			for _, service := range slices.Sorted(maps.Keys(c.Services)) {
				s := c.Services[service]
				testComposeService(t, c, service, s)
				if s.Build != "" || strings.HasPrefix(s.Image, "goalcast:") {
					testComposeSettings(t, service, s)
				}
			}
			for role, count := range roles {
				for _, colour := range []string{"blue", "green"} {
					s := c.Services[role+"-"+colour]
					if s.Deploy.Replicas != count || !slices.Equal(s.Profiles, []string{colour}) ||
						!slices.Equal(s.Command, []string{"serve", "--roles=" + role}) || !s.ReadOnly ||
						!slices.Equal(s.CapDrop, []string{"ALL"}) || s.User != "" || len(s.Ports) > 0 ||
						s.Image != "goalcast:${"+strings.ToUpper(colour)+":-latest}" {
						t.Errorf("%s in %s: %+v", role, colour, s)
					}
				}
			}
		})
	}
}

var conditions = []string{"service_healthy", "service_started", "service_completed_successfully"}

func testComposeService(t *testing.T, c composeFile, name string, s composeService) {
	for dependency, d := range s.DependsOn {
		on, ok := c.Services[dependency]
		switch {
		case !ok:
			t.Errorf("%s waits for %s, which is not there", name, dependency)
		case d.Condition == "service_healthy" && len(on.Healthcheck.Test) == 0:
			t.Errorf("%s waits for %s to be healthy, which is not asked", name, dependency)
		case !slices.Contains(conditions, d.Condition):
			t.Errorf("%s: condition %q", name, d.Condition)
		}
	}
	for _, secret := range s.Secrets {
		if c.Secrets[secret].File == "" {
			t.Errorf("%s: no secret %s", name, secret)
		}
	}
	for _, path := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(fmt.Sprint(s.Environment), -1) {
		if !slices.Contains(s.Secrets, path[1]) {
			t.Errorf("%s reads the secret %s, which it is not given", name, path[1])
		}
	}
	for _, network := range s.Networks {
		if _, ok := c.Networks[network]; !ok {
			t.Errorf("%s: no network %s", name, network)
		}
	}
	for _, volume := range s.Volumes {
		from, _, _ := strings.Cut(volume, ":")
		if _, named := c.Volumes[from]; named {
			continue
		}
		if _, err := os.Stat(filepath.Join("../../deploy", from)); err != nil || !strings.HasPrefix(from, "./") {
			t.Errorf("%s mounts %s: %v", name, from, err)
		}
	}
	for _, port := range s.Ports {
		if strings.HasSuffix(port, ":8081") && !strings.HasPrefix(port, "127.0.0.1:") {
			t.Errorf("%s shows its admin address to the world: %s", name, port)
		}
	}
}

// testComposeSettings has goalcast read the command line and the environment of a service.
func testComposeSettings(t *testing.T, name string, s composeService) {
	t.Helper()
	folder := t.TempDir()
	for secret, text := range map[string]string{"database-url": "postgres://goalcast:password@postgres/goalcast",
		"database-read-urls": "postgres://goalcast:password@postgres-replica/goalcast",
		"feed-secrets":       "opta=a-secret-of-the-test", "admin-tokens": "operator=a-secret-of-the-test"} {
		if err := os.WriteFile(filepath.Join(folder, secret), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for variable, value := range s.Environment {
		t.Setenv(variable, strings.ReplaceAll(value, "/run/secrets", folder))
	}
	defer func() {
		for variable := range s.Environment {
			_ = os.Unsetenv(variable)
		}
	}()
	var cli commands
	if _, err := parse(s.Command, &cli); err != nil {
		t.Errorf("%s does not start: %v", name, err)
		return
	}
	if s.Command[0] != "serve" {
		return
	}
	if grace, err := time.ParseDuration(s.StopGrace); err != nil || grace < cli.Serve.DrainTime+10*time.Second {
		t.Errorf("%s is killed after %q, drains for %s", name, s.StopGrace, cli.Serve.DrainTime)
	}
	if hard := haproxyTime(t, "hard-stop-after"); len(s.Profiles) > 0 && hard < cli.Serve.DrainTime+10*time.Second {
		t.Errorf("HAProxy's workers end %s after a reload, %s drains for %s", hard, name, cli.Serve.DrainTime)
	}
	if spread := haproxyTime(t, "close-spread-time"); spread >= haproxyTime(t, "hard-stop-after") {
		t.Errorf("connections are closed over %s, and all of them before that", spread)
	}
}

func haproxyConfig(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/haproxy/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// haproxyTime is a setting of haproxy.cfg that stands there once.
func haproxyTime(t *testing.T, setting string) time.Duration {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\s*`+setting+` (\w+)$`).FindAllStringSubmatch(haproxyConfig(t), -1)
	if len(found) != 1 {
		t.Fatalf("haproxy.cfg: %s: %q", setting, found)
	}
	d, err := time.ParseDuration(found[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// HAProxy and Prometheus of compose-ha.yaml know all that is started there, and nothing else.
func TestComposeIsKnown(t *testing.T) {
	c := readCompose(t, "compose-ha.yaml")
	var want, watched []string
	for name, s := range c.Services {
		role, _, _ := strings.Cut(name, "-")
		if len(s.Profiles) == 0 {
			continue
		}
		watched = append(watched, name)
		if role != "notify" {
			want = append(want, fmt.Sprintf("%s %s- %d %s:8080", role, s.Profiles[0], s.Deploy.Replicas, name))
		}
	}
	var got []string
	backend := ""
	for line := range strings.Lines(haproxyConfig(t)) {
		switch words := strings.Fields(line); {
		case len(words) == 2 && words[0] == "backend":
			backend = words[1]
		case len(words) > 3 && words[0] == "server-template":
			got = append(got, strings.Join(append([]string{backend}, words[1:4]...), " "))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("haproxy.cfg has %q, compose-ha.yaml %q", got, want)
	}

	var prometheus struct {
		Scrape []struct {
			Job   string `yaml:"job_name"`
			Names []struct {
				Names []string `yaml:"names"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	text, err := os.ReadFile("../../deploy/prometheus/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &prometheus); err != nil {
		t.Fatal(err)
	}
	names := prometheus.Scrape[0].Names[0].Names
	slices.Sort(watched)
	slices.Sort(names)
	if !slices.Equal(names, watched) {
		t.Errorf("Prometheus asks %q, there are %q", names, watched)
	}
	if promtool, err := exec.LookPath("promtool"); err == nil { // beside the alerts, as it is mounted
		folder := t.TempDir()
		rules, err := os.ReadFile("../../deploy/alerts.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"prometheus.yaml": text, "alerts.yaml": rules} {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(promtool, "check", "config", filepath.Join(folder, "prometheus.yaml")).
			CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// Settings that any file of deploy/ names are goalcast's.
func TestDeployNamesSettings(t *testing.T) {
	parser, err := newParser(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir("../../deploy", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		var named []string
		for _, name := range regexp.MustCompile(`GOALCAST_[A-Z0-9_]+`).FindAllString(string(text), -1) {
			named = append(named, name+"=")
		}
		if err := unknownVariables(parser.Model, named); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("%d files, %v", files, err)
	}
}
