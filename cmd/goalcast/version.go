package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// version and revision are what the build says of itself: -ldflags "-X main.version=v1.2.3 -X
// main.revision=COMMIT", as the Dockerfile does, which has no history to look into. Empty: what Go
// has found out.
var version, revision string

// Run prints the version, and Go's; or what the program is made of.
func (c versionCmd) Run() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("no build information")
	}
	if c.SBOM {
		return writeSBOM(os.Stdout, info)
	}
	_, err := fmt.Println("goalcast", buildLabels()["version"], info.GoVersion)
	return err
}

// buildLabels say what was built: the version, the commit, and Go's version; "unknown" where the
// build did not stamp it.
func buildLabels() map[string]string {
	labels := map[string]string{"version": version, "revision": revision, "goversion": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"] = cmp.Or(version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = cmp.Or(revision, s.Value)
			}
		}
	}
	for name, value := range labels {
		labels[name] = cmp.Or(value, "unknown")
	}
	return labels
}

// bom is a CycloneDX document, with what we say in it: https://cyclonedx.org/docs/1.6/json/. It has
// no serial number and no time, so that one program always has the same.
type bom struct {
	BOMFormat    string      `json:"bomFormat"`
	SpecVersion  string      `json:"specVersion"`
	Version      int         `json:"version"` // of this document
	Metadata     bomMetadata `json:"metadata"`
	Components   []component `json:"components"`
	Dependencies []depends   `json:"dependencies"`
}

type bomMetadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type depends struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// writeSBOM writes what the linker has put into the program: modules that are only tested with, or
// of which nothing is used, are not in it.
func writeSBOM(w io.Writer, info *debug.BuildInfo) error {
	labels := buildLabels()
	doc := bom{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: bomMetadata{component{
		Type: "application", Ref: "goalcast", Name: "goalcast", Version: labels["version"],
		Properties: []property{{"goalcast:revision", labels["revision"]}},
	}}}
	// Scanners know the standard library by this name.
	doc.Components = append(doc.Components, library("stdlib", strings.TrimPrefix(info.GoVersion, "go"), ""))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		doc.Components = append(doc.Components, library(m.Path, m.Version, m.Sum))
	}
	on := depends{Ref: doc.Metadata.Component.Ref, On: []string{}}
	for _, c := range doc.Components {
		on.On = append(on.On, c.Ref)
	}
	doc.Dependencies = []depends{on}
	text := json.NewEncoder(w)
	text.SetIndent("", "  ")
	text.SetEscapeHTML(false)
	return text.Encode(doc)
}

// library is a module; sum is its line in go.sum, or empty.
func library(path, version, sum string) component {
	purl := "pkg:golang/" + path + "@" + url.QueryEscape(version) // v1.0.0+incompatible has a plus
	c := component{Type: "library", Ref: purl, Name: path, Version: version, PURL: purl}
	if sum != "" {
		c.Properties = []property{{"goalcast:go.sum", sum}}
	}
	return c
}
