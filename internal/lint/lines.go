package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/tools/go/analysis"
)

// Columns of a line, a tab being four of them.
const (
	proseColumns = 100
	codeColumns  = 120 // also of a table in a comment
)

// lines reports what is hard to read beside something else on a screen. A line with a raw string in
// it may be longer: documents in tests and struct tags cannot be broken.
var lines = &analysis.Analyzer{
	Name: "lines",
	Doc:  "prose wraps at 100 columns, code at 120",
	Run:  checkLines,
}

func checkLines(pass *analysis.Pass) (any, error) {
	for _, file := range pass.Files {
		if err := checkFile(pass, file); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func checkFile(pass *analysis.Pass, file *ast.File) error {
	of := pass.Fset.File(file.FileStart)
	if !strings.HasSuffix(of.Name(), ".go") || ast.IsGenerated(file) {
		return nil
	}
	text, err := os.ReadFile(of.Name())
	if err != nil {
		return err
	}
	raw := rawStrings(of, file)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		limit := codeColumns
		prose, comment := bytes.CutPrefix(bytes.TrimSpace(line), []byte("// "))
		if comment && !bytes.HasPrefix(prose, []byte(" ")) {
			limit = proseColumns
		}
		if columns(line) > limit && !raw[number] && number <= of.LineCount() {
			pass.Reportf(of.LineStart(number), "more than %d columns", limit)
		}
	}
	return nil
}

func columns(line []byte) int {
	return utf8.RuneCount(bytes.TrimRight(line, "\n")) + 3*bytes.Count(line, []byte("\t"))
}

// rawStrings are the lines on which one begins, ends or goes on.
func rawStrings(of *token.File, file *ast.File) map[int]bool {
	on := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && lit.Value[0] == '`' {
			for line := of.Line(lit.Pos()); line <= of.Line(lit.End()); line++ {
				on[line] = true
			}
		}
		return true
	})
	return on
}
