// Package docs carries the descriptions of goalcast's interfaces into the binary: rest serves them,
// tests hold answers against them.
package docs

import "embed"

// Files holds openapi.yaml (everything under /v1 and /admin but the live connection) and
// asyncapi.yaml (the frames of /v1/live).
//
//go:embed *.yaml
var Files embed.FS
