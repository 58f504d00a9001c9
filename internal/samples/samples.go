// Package samples finds the real documents of providers that tests read. They are the providers' and not in the repository.
package samples

import (
	"os"
	"path/filepath"
)

// Read reads one, named as in the folder of samples ("opta/f24/Bolton_ManCityF24.xml"), from $GOALCAST_SAMPLES or ../shared/samples beside
// the repository. Where it is missing a test skips, but with CI=true it fails.
//
// t is *testing.T or *testing.B; this package does not import testing, so that it can be linked into tools.
func Read(t interface {
	Helper()
	Skipf(string, ...any)
	Fatalf(string, ...any)
}, name string) []byte {
	t.Helper()
	folder := os.Getenv("GOALCAST_SAMPLES")
	if folder == "" {
		root, err := os.Getwd()
		for ; err == nil && root != filepath.Dir(root); root = filepath.Dir(root) {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
		}
		folder = filepath.Join(root, "..", "shared", "samples")
	}
	body, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("sample: %v", err)
	default:
		t.Skipf("no sample: %v", err)
	}
	return body
}
