package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// The image's build stamps variables that there are: the linker says nothing of others.
func TestDockerfileStampsVersion(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stamped := map[string]*string{"version": &version, "revision": &revision}
	found := regexp.MustCompile(`-X main\.(\w+)=\$(\w+)`).FindAllStringSubmatch(string(text), -1)
	if len(found) != len(stamped) {
		t.Errorf("stamps %q", found)
	}
	for _, f := range found {
		variable := stamped[f[1]]
		if variable == nil {
			t.Fatalf("stamps main.%s, which there is not", f[1])
		}
		if !strings.Contains(string(text), "ARG "+f[2]+"=") || !strings.Contains(string(text), "=$"+f[2]+" ") {
			t.Errorf("$%s is no argument of the build, or in no label", f[2])
		}
		was := *variable
		t.Cleanup(func() { *variable = was })
		*variable = "as built"
		if got := buildLabels()[f[1]]; got != "as built" {
			t.Errorf("main.%s does not get into goalcast_build_info: %q", f[1], got)
		}
	}
}

// The bill of materials has each module that is in the program, and Go's own library.
func TestSBOM(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok || len(info.Deps) == 0 {
		t.Fatal("no build information")
	}
	// Names of other spellings, and one that takes another's place.
	more := &debug.BuildInfo{GoVersion: info.GoVersion, Deps: append(slices.Clone(info.Deps),
		&debug.Module{Path: "example.org/Old", Version: "v2.0.0+incompatible"},
		&debug.Module{Path: "example.org/gone", Version: "v1.0.0",
			Replace: &debug.Module{Path: "example.org/instead", Version: "v1.0.1", Sum: "h1:AAAA="}})}
	var text bytes.Buffer
	if err := writeSBOM(&text, more); err != nil {
		t.Fatal(err)
	}
	var doc bom
	strict := json.NewDecoder(&text)
	strict.DisallowUnknownFields()
	if err := strict.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.BOMFormat != "CycloneDX" || doc.SpecVersion != "1.6" || doc.Version != 1 ||
		doc.Metadata.Component.Version != buildLabels()["version"] {
		t.Errorf("%+v", doc)
	}
	var got []string
	refs := map[string]bool{}
	for _, c := range doc.Components {
		if c.Type != "library" || refs[c.Ref] {
			t.Errorf("%+v", c)
		}
		refs[c.Ref] = true
		got = append(got, c.Name+" "+c.Version)
	}
	want := []string{"stdlib " + strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		want = append(want, m.Path+" "+m.Version)
	}
	want = append(want, "example.org/Old v2.0.0+incompatible", "example.org/instead v1.0.1")
	if !slices.Equal(got, want) {
		t.Errorf("is made of\n%v, want\n%v", got, want)
	}
	for purl, there := range map[string]bool{"pkg:golang/example.org/Old@v2.0.0%2Bincompatible": true,
		"pkg:golang/example.org/instead@v1.0.1": true, "pkg:golang/example.org/gone@v1.0.0": false} {
		if refs[purl] != there {
			t.Errorf("%s: %v", purl, refs[purl])
		}
	}
	if on := doc.Dependencies; len(on) != 1 || on[0].Ref != doc.Metadata.Component.Ref || len(on[0].On) != len(refs) {
		t.Errorf("depends on %v", on)
	}
}
