package doctor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// roomy is a machine with room for some 200,000 viewers.
func roomy() fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range map[string]string{
		"proc/sys/fs/nr_open":                         "1100000\n",
		"proc/sys/fs/file-max":                        "9223372036854775807\n",
		"proc/sys/net/core/somaxconn":                 "16384\n",
		"proc/sys/net/ipv4/tcp_max_syn_backlog":       "65536\n",
		"proc/sys/net/ipv4/tcp_mem":                   "1048576\t2097152\t3145728\n",
		"proc/sys/net/ipv4/tcp_slow_start_after_idle": "0\n",
		"proc/sys/net/netfilter/nf_conntrack_max":     "1000000\n",
		"proc/meminfo":                                "MemTotal: 16000000 kB\nMemAvailable:   12000000 kB\n",
		"sys/fs/cgroup/memory.max":                    "max\n",
	} {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestLimitsForViewers(t *testing.T) {
	need := Need{Viewers: 200_000, Files: 4608}
	for _, f := range (Host{Root: roomy(), Files: 1_000_000}).limits(need) {
		if f.Status != OK || f.Do != "" {
			t.Errorf("of a roomy machine: %+v", f)
		}
	}
	for _, tt := range []struct {
		path, text string
		files      int
		check      string
		status     Status
		do         string
	}{
		{files: 20_000, check: "open files", status: Fail, do: "LimitNOFILE=204608"},
		{files: -1, check: "open files", status: Warn},
		{path: "proc/sys/fs/nr_open", text: "200000", check: "fs.nr_open", status: Fail,
			do: "sysctl -w fs.nr_open=204608"},
		{path: "proc/sys/net/core/somaxconn", text: "4096", check: "net.core.somaxconn", status: Warn,
			do: "sysctl -w net.core.somaxconn=16384"},
		{path: "proc/sys/net/ipv4/tcp_mem", text: "90000 120000 180000", check: "net.ipv4.tcp_mem", status: Warn,
			do: "sysctl -w net.ipv4.tcp_mem='200000 300000 400000'"},
		{path: "proc/sys/net/netfilter/nf_conntrack_max", text: "65536", check: "net.netfilter.nf_conntrack_max",
			status: Fail, do: "nf_conntrack_max=204608"},
		{path: "proc/sys/net/ipv4/tcp_slow_start_after_idle", text: "1",
			check: "net.ipv4.tcp_slow_start_after_idle", status: Warn, do: "tcp_slow_start_after_idle=0"},
		{path: "sys/fs/cgroup/memory.max", text: "1073741824", check: "memory", status: Warn,
			do: "GOALCAST_MAX_CONNECTIONS=65536"},
		{path: "proc/meminfo", text: "", check: "memory", status: Warn},
	} {
		root, files := roomy(), 1_000_000
		if tt.path != "" {
			root[tt.path] = &fstest.MapFile{Data: []byte(tt.text)}
		}
		if tt.files != 0 {
			files = max(0, tt.files)
		}
		for _, f := range (Host{Root: root, Files: files}).limits(need) {
			if f.Check != tt.check {
				if f.Status != OK {
					t.Errorf("%s: also %+v", tt.check, f)
				}
				continue
			}
			if f.Status != tt.status || !strings.Contains(f.Do, tt.do) {
				t.Errorf("%s = %+v, want %s and %q", tt.check, f, tt.status, tt.do)
			}
		}
	}
	// What the kernel does not have is not told of: most machines track no connections.
	root := roomy()
	delete(root, "proc/sys/net/netfilter/nf_conntrack_max")
	if list := (Host{Root: root, Files: 1_000_000}).limits(need); slices.ContainsFunc(list, func(f Finding) bool {
		return strings.Contains(f.Check, "conntrack")
	}) {
		t.Errorf("%+v", list)
	}
}

func TestModesOfSecretFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]Finding{
		0o600: {Status: OK}, 0o640: {Status: OK}, 0o400: {Status: OK},
		0o644: {Status: Warn, Do: "chmod 0640 " + path}, 0o660: {Status: Warn, Do: "chmod 0640 " + path},
		0o777: {Status: Warn, Do: "chmod 0750 " + path},
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if f := SecretFile("GOALCAST_X_FILE", path); f.Status != want.Status || f.Do != want.Do {
			t.Errorf("%o: %+v, want %+v", mode, f, want)
		}
	}
	if f := SecretFile("GOALCAST_X_FILE", path+"2"); f.Status != Fail {
		t.Errorf("a file that is not there: %+v", f)
	}
}

func TestServicesAreReached(t *testing.T) {
	ahead := time.Hour
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.URL.String() != "/" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound) // any answer is one
	}))
	defer server.Close()
	address := strings.Replace(server.URL, "http://", "http://user:0123456789@", 1) + "/path?key=0123456789"
	list := Reach(t.Context(), server.Client(), "GOALCAST_X", address)
	if len(list) != 2 || list[0].Status != OK || list[1].Status != Fail || list[1].Check != "clock" ||
		!strings.Contains(list[1].Found, " behind that of http://") {
		t.Errorf("%+v", list)
	}
	ahead = 0
	list = Reach(t.Context(), server.Client(), "GOALCAST_X", strings.Replace(address, "http", "ws", 1))
	if len(list) != 1 || list[0].Status != OK {
		t.Errorf("%+v", list)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	if list := Reach(t.Context(), nil, "GOALCAST_X", "amqp://"+host); len(list) != 1 || list[0].Status != OK {
		t.Errorf("%+v", list)
	}
	server.Close()
	for _, scheme := range []string{"http", "amqp", "amqps"} {
		list := Reach(t.Context(), http.DefaultClient, "GOALCAST_X", scheme+"://u:0123456789@"+host+"/?k=0123456789")
		if len(list) != 1 || list[0].Status != Fail || strings.Contains(list[0].Found, "0123456789") {
			t.Errorf("%s: %+v", scheme, list)
		}
	}
	if list := Reach(t.Context(), nil, "GOALCAST_X", "::"); len(list) != 1 || list[0].Status != Fail {
		t.Errorf("%+v", list)
	}
}

func TestClocks(t *testing.T) {
	for ahead, want := range map[time.Duration]Status{0: OK, time.Second: OK, -time.Second: OK, 2 * time.Second: Warn,
		-29 * time.Second: Warn, 30 * time.Second: Fail, -time.Hour: Fail} {
		if f := Clock("Redis", ahead); f.Status != want || (f.Do == "") != (want == OK) {
			t.Errorf("%v: %+v", ahead, f)
		}
	}
	if f := Clock("Redis", -2*time.Second); !strings.Contains(f.Found, "2s ahead of that of Redis") {
		t.Errorf("%+v", f)
	}
}

func TestReports(t *testing.T) {
	r := &Report{}
	if r.Worst() != OK {
		t.Error(r.Worst())
	}
	r.Add(Finding{Check: "a", Status: OK, Found: "x & y"}, Finding{Check: "b", Status: Warn, Do: "do this"})
	if r.Worst() != Warn {
		t.Error(r.Worst())
	}
	r.Add(Finding{Check: "c", Status: Fail}, Finding{Check: "d", Status: Warn})
	var text, encoded strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "-> do this\n") || !strings.HasSuffix(text.String(),
		"\n1 ok, 2 to look at, 1 wrong\n") {
		t.Error(text.String())
	}
	if err := r.WriteJSON(&encoded); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Status   Status
		Findings []Finding
	}
	if err := json.Unmarshal([]byte(encoded.String()), &got); err != nil || got.Status != Fail ||
		!slices.Equal(got.Findings, r.Findings) {
		t.Errorf("%v: %+v", err, got)
	}
}
