// Command lint is go vet and a few rules more. The Makefile runs it as go vet -vettool=lint, so that
// packages are loaded once and what is known of them is kept in Go's build cache. staticcheck stays a
// tool of its own: it looks for what nobody uses, which takes more than a package at a time.
//
// golangci-lint has the same analyzers. It is not used because its makers advise against building it
// as a Go tool, and because it takes longer to build than all of this to run.
package main

import (
	"slices"
	"strings"

	"codeberg.org/polyfloyd/go-errorlint/errorlint"
	"github.com/gostaticanalysis/forcetypeassert"
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
		sloglint.New(&sloglint.Options{KeyValuePairsOnly: true, StaticMessage: true}),
		predeclared.Analyzer,                   // nothing is named like Go's own
		withoutTests(forcetypeassert.Analyzer), // no assertion that panics
		exhaustive.Analyzer,
	})...)
}

// withoutTests is the analyzer with nothing to say of tests, which may panic.
func withoutTests(a *analysis.Analyzer) *analysis.Analyzer {
	product := *a
	product.Run = func(pass *analysis.Pass) (any, error) {
		quiet := *pass
		quiet.Report = func(d analysis.Diagnostic) {
			if !strings.HasSuffix(pass.Fset.Position(d.Pos).Filename, "_test.go") {
				pass.Report(d)
			}
		}
		return a.Run(&quiet)
	}
	return &product
}
