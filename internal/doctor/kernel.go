package doctor

import (
	"fmt"
	"io/fs"
	"math/bits"
	"runtime"
	"strconv"
	"strings"
)

// Host is what the machine's limits are read from.
type Host struct {
	Root  fs.FS // the file system's root, as os.DirFS("/")
	Files int   // files that a process may open; 0 is not known
}

// Need is what a node is to hold.
type Need struct {
	Viewers int // live connections
	Files   int // files that it opens besides
}

// What a viewer takes, as docs/scaling.md has it: bytes of all memory, and pages of 4 kB for what
// is on its way to it while a goal goes out.
const (
	viewerMemory = 8 << 10
	viewerPages  = 2
	baseMemory   = 512 << 20 // goalcast without viewers
)

// returning is the part of all viewers that may wait in the kernel's queues of new connections:
// half a second of them, when all come back within ten seconds.
const returning = 20

// Kernel says whether the machine has room for the viewers, and which line to change if not. Where
// the kernel is not Linux there is nothing to read, and that is said.
func Kernel(h Host, need Need) []Finding {
	if runtime.GOOS != "linux" {
		return []Finding{{Check: "kernel", Status: Warn, Found: "limits are read on Linux only"}}
	}
	return h.limits(need)
}

func (h Host) limits(need Need) []Finding {
	files := need.Viewers + need.Files
	queue := min(65536, max(4096, 1<<bits.Len(uint(need.Viewers/returning-1))))
	found := []Finding{h.openFiles(need, files)}
	add := func(f Finding, known bool) {
		if known {
			found = append(found, f)
		}
	}
	add(h.atLeast("fs.nr_open", 0, files, Fail, "no process may open more files"))
	add(h.atLeast("fs.file-max", 0, files, Fail, "all processes together may open no more files"))
	add(h.atLeast("net.core.somaxconn", 0, queue, Warn,
		"who finds the queue of new connections full comes again a second later"))
	add(h.atLeast("net.ipv4.tcp_max_syn_backlog", 0, queue, Warn,
		"who finds the queue of new connections full comes again a second later"))
	add(h.atLeast("net.ipv4.tcp_mem", 2, viewerPages*need.Viewers, Warn,
		"pages for all that is on its way; with too few the kernel drops packets at the goal"))
	add(h.atLeast("net.netfilter.nf_conntrack_max", 0, files, Fail,
		"connections beyond it are refused by the firewall; better track none on a hub"))
	if value, ok := h.sysctl("net.ipv4.tcp_slow_start_after_idle", 0); ok {
		add(slowStart(value), true)
	}
	return append(found, h.memory(need))
}

func (h Host) openFiles(need Need, files int) Finding {
	f := Finding{Check: "open files", Status: OK, Found: fmt.Sprintf("%d, room for %d viewers", h.Files, need.Viewers)}
	switch {
	case h.Files == 0:
		f.Status, f.Found = Warn, "the limit is not known"
	case h.Files < files:
		f.Status = Fail
		f.Found = fmt.Sprintf("%d, room for %d viewers of %d", h.Files, max(0, h.Files-need.Files), need.Viewers)
		f.Do = fmt.Sprintf("LimitNOFILE=%d in the unit, nofile in the container's ulimits, or ulimit -n %d", files,
			files)
	}
	return f
}

// atLeast compares one number of a sysctl with what it should be; false where the kernel has none.
func (h Host) atLeast(name string, field, want int, otherwise Status, why string) (Finding, bool) {
	have, ok := h.sysctl(name, field)
	if !ok {
		return Finding{}, false
	}
	if have >= uint64(want) {
		return Finding{Check: name, Status: OK, Found: strconv.FormatUint(have, 10)}, true
	}
	value := strconv.Itoa(want)
	if field == 2 { // tcp_mem: low, pressure, high
		value = fmt.Sprintf("'%d %d %d'", want/2, want*3/4, want)
	}
	return Finding{Check: name, Status: otherwise, Found: fmt.Sprintf("%d, want %d: %s", have, want, why),
		Do: "sysctl -w " + name + "=" + value}, true
}

func slowStart(value uint64) Finding {
	f := Finding{Check: "net.ipv4.tcp_slow_start_after_idle", Status: OK, Found: strconv.FormatUint(value, 10)}
	if value != 0 {
		f.Status, f.Do = Warn, "sysctl -w net.ipv4.tcp_slow_start_after_idle=0"
		f.Found += ": after minutes of silence, what is longer than ten packets takes a round trip more"
	}
	return f
}

// sysctl reads the nth number of a kernel's setting; false where there is none, or none such.
func (h Host) sysctl(name string, n int) (uint64, bool) {
	fields := strings.Fields(h.read("proc/sys/" + strings.ReplaceAll(name, ".", "/")))
	if n >= len(fields) {
		return 0, false
	}
	value, err := strconv.ParseUint(fields[n], 10, 64)
	return value, err == nil
}

func (h Host) read(path string) string {
	text, err := fs.ReadFile(h.Root, path)
	if err != nil {
		return ""
	}
	return string(text)
}

// memory compares what is free, or what the container may take, with what the viewers take.
func (h Host) memory(need Need) Finding {
	want := uint64(need.Viewers)*viewerMemory + baseMemory
	have, whose := h.availableMemory(), "free"
	if limit, err := strconv.ParseUint(strings.TrimSpace(h.read("sys/fs/cgroup/memory.max")), 10, 64); err == nil &&
		(have == 0 || limit < have) {
		have, whose = limit, "the container may take"
	}
	f := Finding{Check: "memory", Status: OK, Found: fmt.Sprintf("%d MB %s, %d MB for %d viewers", have>>20, whose,
		want>>20, need.Viewers)}
	switch {
	case have == 0:
		f.Status, f.Found = Warn, "what is free is not known"
	case have < want:
		f.Status, f.Do = Warn, fmt.Sprintf("%d MB, or fewer viewers: GOALCAST_MAX_CONNECTIONS=%d", want>>20,
			(max(have, baseMemory)-baseMemory)/viewerMemory)
	}
	return f
}

// availableMemory is in bytes; 0 is not known.
func (h Host) availableMemory() uint64 {
	for line := range strings.Lines(h.read("proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kB, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kB << 10
			}
		}
	}
	return 0
}
