// Command lint is go vet and a few rules more. The Makefile runs it as go vet
// -vettool=lint, so that packages are loaded once and what is known of them is kept in Go's
// build cache. staticcheck stays a tool of its own: it looks for what nobody uses, which
// takes more than a package at a time.
//
// golangci-lint has the same analyzers. It is not used because its makers advise against building
// it as a Go tool, and because it takes longer to build than all of this to run. forcetypeassert is
// not among them: the assertions without a second value are of what sync.Pool, container/list and
// http.DefaultTransport hold by construction, where a check would hide a mistake of ours.
package main

import (
	"slices"

	"codeberg.org/polyfloyd/go-errorlint/errorlint"
	"github.com/nishanths/exhaustive/passes/exhaustive"
	"github.com/nishanths/predeclared/passes/predeclared"
	"go-simpler.org/sloglint"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	// A switch over an enumeration that is to have all of it says so: //exhaustive:enforce.
	if err := exhaustive.Analyzer.Flags.Set("e", "true"); err != nil {
		panic(err)
	}
	unitchecker.Main(slices.Concat(vet.Suite, []*analysis.Analyzer{
		errorlint.NewAnalyzer(), // errors.Is and errors.As, never == or a type
		sloglint.New(nil),       // keys and values or attributes in a log line, not both
		predeclared.Analyzer,    // nothing is named like Go's own
		exhaustive.Analyzer,
		lines, // prose wraps at 100 columns, code at 120
	})...)
}
