package optatest

import (
	"regexp"
	"sync"
)

var patterns sync.Map // of *regexp.Regexp by expression

// compiled is the expression, compiled once: a match is cut hundreds of times.
func compiled(expression string) *regexp.Regexp {
	if known, ok := patterns.Load(expression); ok {
		return known.(*regexp.Regexp)
	}
	known, _ := patterns.LoadOrStore(expression, regexp.MustCompile(expression))
	return known.(*regexp.Regexp)
}
