package goalcast_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"goalcast"
)

// frozenDir has the wire as version 1.0 of the clients knows it: one frame of each type, what the
// reducer makes of events, refusals, and the JavaScript SDK as it was built. docs/wire.md says what
// may change since ("Versions").
const frozenDir = "testdata/v1.0"

// frozenSum is of all files in frozenDir.
const frozenSum = "059f14b6918b73f0fabb973b44c7aa693dd7d90dde16bb0c485e8591943a7a7b"

func TestFrozenFilesStayAsTheyAre(t *testing.T) {
	sum := sha256.New()
	err := filepath.WalkDir(frozenDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", filepath.ToSlash(path), len(text), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != frozenSum {
		t.Errorf("the files in %s are those of a version that apps have, and do not change: their sum is %s",
			frozenDir, got)
	}
}

// Today's hub says what yesterday's said: in each frame all that was there is there, under the same
// name and with the same value.
func TestYesterdaysFramesAreStillSent(t *testing.T) {
	frames := wireFrames()
	for _, path := range frozenFiles(t, "wire") {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		f, ok := frames[name]
		if !ok {
			t.Errorf("no sample is called %s any more", name)
			continue
		}
		var then, now any
		readJSON(t, path, &then)
		if err := json.Unmarshal(f.Encode(), &now); err != nil {
			t.Fatal(err)
		}
		if err := hasAll(now, then); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Today's clients read yesterday's frames, and nothing in them is lost on the way. (The tests of
// the clients read them too.)
func TestYesterdaysFramesAreStillRead(t *testing.T) {
	for _, path := range frozenFiles(t, "wire") {
		var f goalcast.Frame
		var then, now any
		readJSON(t, path, &f)
		readJSON(t, path, &then)
		if err := json.Unmarshal(f.Encode(), &now); err != nil {
			t.Fatal(err)
		}
		if err := hasAll(now, then); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The reducer makes of yesterday's events what it made of them then.
func TestYesterdaysEventsComeToTheSame(t *testing.T) {
	for _, path := range frozenFiles(t, "reducer") {
		var then struct {
			Events    []goalcast.Event
			Snapshots []any
		}
		readJSON(t, path, &then)
		s := goalcast.Snapshot{}
		for i, e := range then.Events {
			s = goalcast.Apply(s, e)
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var now any
			if err := json.Unmarshal(text, &now); err != nil {
				t.Fatal(err)
			}
			if err := hasAll(now, then.Snapshots[i]); err != nil {
				t.Errorf("%s, after event %d: %v", path, i, err)
			}
		}
	}
}

// A refusal that yesterday's clients take for temporary, or for final, is that for good.
func TestYesterdaysRefusalsMeanTheSame(t *testing.T) {
	var then []struct {
		Code   goalcast.Code
		Final  bool
		Status int
	}
	readJSON(t, filepath.Join(frozenDir, "refusals.json"), &then)
	for _, c := range then {
		i := slices.IndexFunc(goalcast.Codes, func(info goalcast.CodeInfo) bool { return info.Code == c.Code })
		if i < 0 || goalcast.Codes[i].Status != c.Status || goalcast.Codes[i].Final != c.Final {
			t.Errorf("%s is not %+v any more", c.Code, c)
		}
	}
}

// Changes that break clients are found: the check is not one that passes whatever comes.
func TestWhatBreaksYesterdaysClients(t *testing.T) {
	then := map[string]any{"type": "event", "event": map[string]any{"id": "a", "topics": []any{"match:1"}}}
	for name, now := range map[string]any{
		"a type is renamed":  map[string]any{"type": "happening", "event": then["event"]},
		"a field is gone":    map[string]any{"type": "event"},
		"one inside is gone": map[string]any{"type": "event", "event": map[string]any{"id": "a"}},
		"another form": map[string]any{"type": "event", "event": map[string]any{"id": "a",
			"topics": []any{map[string]any{"match": 1}}}},
		"a list is shorter": map[string]any{"type": "event", "event": map[string]any{"id": "a", "topics": []any{}}},
	} {
		if hasAll(now, then) == nil {
			t.Errorf("%s, and nobody notices", name)
		}
	}
	more := map[string]any{"type": "event", "new": 1, "event": map[string]any{"id": "a", "topics": []any{"match:1"},
		"new": nil}}
	if err := hasAll(more, then); err != nil {
		t.Errorf("fields may be added: %v", err)
	}
}

// hasAll says what of then is not in now.
func hasAll(now, then any) error {
	switch then := then.(type) {
	case map[string]any:
		got, ok := now.(map[string]any)
		if !ok {
			return fmt.Errorf("is %v, was an object", now)
		}
		for name, want := range then {
			if _, ok := got[name]; !ok {
				return fmt.Errorf("%s is gone", name)
			}
			if err := hasAll(got[name], want); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case []any:
		got, ok := now.([]any)
		if !ok || len(got) != len(then) {
			return fmt.Errorf("is %v, was %v", now, then)
		}
		for i := range then {
			if err := hasAll(got[i], then[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
	default:
		if !reflect.DeepEqual(now, then) {
			return fmt.Errorf("is %v, was %v", now, then)
		}
	}
	return nil
}

func frozenFiles(t *testing.T, what string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(frozenDir, what, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	return files
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
