// Package docs carries the descriptions of goalcast's interfaces into the binary: rest serves them,
// tests hold answers against them.
package docs

import (
	"embed"
	"io/fs"
	"path"
)

// Files holds openapi.yaml (everything under /v1 and /admin but the live connection) and
// asyncapi.yaml (the frames of /v1/live).
//
//go:embed *.yaml
var Files embed.FS

//go:embed reference
var reference embed.FS

// Reference are the files of the reference page by their names without folders: our own, and those
// of swagger-ui with its licenses, as its authors publish them. index.html is the page, and it asks
// for the others under /docs/. So does widgets.html, which shows the widgets.
func Reference() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(reference, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path.Base(name)], err = reference.ReadFile(name)
		return err
	})
	return files, err
}
