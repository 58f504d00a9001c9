// Package samples finds the documents that tests play.
//
// The providers' own documents are theirs and not in the repository: they are looked for in
// $GOALCAST_SAMPLES, else in ../shared/samples beside the repository. Where that folder is not
// there, made-up documents of invented clubs and people take their place (folder madeup), so that a
// clone alone tests the same paths. GOALCAST_SAMPLES=made-up asks for those; without it, and with
// CI=true, a missing folder fails.
//
// A test that played the providers' own and can play either kind is noted, by package and name,
// in the file that $GOALCAST_TEST_SAMPLES_USED names: the Makefile runs those once more with
// the made-up documents.
package samples

import (
	"embed"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// MadeUp is the value of GOALCAST_SAMPLES that asks for the made-up documents.
const MadeUp = "made-up"

//go:embed madeup
var madeUp embed.FS

// TB is what the package needs of *testing.T and *testing.B. It does not import testing, so that it
// can be linked into tools.
type TB interface {
	Helper()
	Name() string
	Skipf(string, ...any)
	Fatalf(string, ...any)
}

// Match is a match of which both feeds of Opta are there, as they are when it is over. Both hold
// goals of both kinds of news: some that stand, cards, substitutions and line-ups.
type Match struct {
	ID, Home, Away, Competition int64
	F24, F7                     []byte
}

// Matches returns two matches of different competitions or days.
func Matches(tb TB) [2]Match {
	tb.Helper()
	note(tb)
	if useMadeUp() {
		return MadeUpMatches(tb)
	}
	return matches(tb, Read, [2][2]string{
		{"opta/f24/Bolton_ManCityF24.xml", "opta/f7/Bolton_ManCityF7.xml"},
		{"opta/f24/f24-23-2018-1009316-eventdetails.xml", "opta/f7/f7-23-2018-1009316-matchresults.xml"},
	})
}

// MadeUpMatches returns the made-up matches, wherever it runs: for tests that need any match to be
// played, such as those that kill processes. Once is enough for them, and the providers' own
// documents, ten times the size, would only take longer.
func MadeUpMatches(tb TB) [2]Match {
	tb.Helper()
	return matches(tb, readMadeUp, [2][2]string{
		{"opta/f24/f24-901-2026-7000250-eventdetails.xml", "opta/f7/srml-901-2026-f7000250-matchresults.xml"},
		{"opta/f24/f24-901-2026-7000251-eventdetails.xml", "opta/f7/srml-901-2026-f7000251-matchresults.xml"},
	})
}

// matches reads the files of each match, its F24 and its F7.
func matches(tb TB, read func(TB, string) []byte, names [2][2]string) [2]Match {
	tb.Helper()
	var out [2]Match
	for i, name := range names {
		m := Match{F24: read(tb, name[0]), F7: read(tb, name[1])}
		game := regexp.MustCompile(`<Game [^>]*>`).Find(m.F24)
		for attribute, to := range map[string]*int64{
			"id": &m.ID, "home_team_id": &m.Home, "away_team_id": &m.Away, "competition_id": &m.Competition,
		} {
			value := regexp.MustCompile(` ` + attribute + `="(\d+)"`).FindSubmatch(game)
			if value == nil {
				tb.Fatalf("sample %s: no %s", name[0], attribute)
			}
			*to, _ = strconv.ParseInt(string(value[1]), 10, 64)
		}
		out[i] = m
	}
	return out
}

// LiveF9 returns an F9 of a match in its second half, with two goals of which the later is the last
// Goal element.
func LiveF9(tb TB) []byte {
	tb.Helper()
	note(tb)
	if useMadeUp() {
		return MadeUpLiveF9(tb)
	}
	return Read(tb, "opta/f9/f9-790722-live-48min.xml")
}

// League returns the results and the tables of one season of a league, F1 and F3, at the end of a
// day of play.
func League(tb TB) (f1, f3 []byte) {
	tb.Helper()
	note(tb)
	if useMadeUp() {
		return MadeUpLeague(tb)
	}
	return Read(tb, "opta/f1/srml-24-2011-results.xml"), Read(tb, "opta/f3/srml-24-2011-standings.xml")
}

// MadeUpLeague returns the made-up ones, wherever it runs: see MadeUpMatches.
func MadeUpLeague(tb TB) (f1, f3 []byte) {
	tb.Helper()
	return readMadeUp(tb, "opta/f1/srml-901-2026-results.xml"), readMadeUp(tb, "opta/f3/srml-901-2026-standings.xml")
}

// MadeUpLiveF9 returns the made-up one, wherever it runs: see MadeUpMatches.
func MadeUpLiveF9(tb TB) []byte {
	tb.Helper()
	return readMadeUp(tb, "opta/f9/f9-7000251-live.xml")
}

// Read reads a provider's own document, named as in the folder of samples, such as
// "opta/f24/Bolton_ManCityF24.xml". Where it is missing the test skips, with CI=true it fails; it
// skips in any case where the made-up documents are asked for.
func Read(tb TB, name string) []byte {
	tb.Helper()
	if os.Getenv("GOALCAST_SAMPLES") == MadeUp {
		tb.Skipf("%s is the provider's own", name)
	}
	body, err := os.ReadFile(filepath.Join(folder(), filepath.FromSlash(name)))
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatalf("sample: %v", err)
	default:
		tb.Skipf("no sample: %v", err)
	}
	return body
}

func readMadeUp(tb TB, name string) []byte {
	tb.Helper()
	body, err := madeUp.ReadFile("madeup/" + name)
	if err != nil {
		tb.Fatalf("sample: %v", err)
	}
	return body
}

// note tells the Makefile of a test that has played the providers' own documents and
// can play either kind.
func note(tb TB) {
	path := os.Getenv("GOALCAST_TEST_SAMPLES_USED")
	if path == "" || useMadeUp() {
		return
	}
	folder, err := os.Getwd() // the test's package
	if err != nil {
		tb.Fatalf("note of a sample: %v", err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		tb.Fatalf("note of a sample: %v", err)
	}
	defer file.Close()
	name, _, _ := strings.Cut(tb.Name(), "/")
	if _, err := file.WriteString(folder + "\t" + name + "\n"); err != nil {
		tb.Fatalf("note of a sample: %v", err)
	}
}

// useMadeUp says whether the made-up documents take the place of the providers'.
func useMadeUp() bool {
	if os.Getenv("GOALCAST_SAMPLES") == MadeUp {
		return true
	}
	_, err := os.Stat(folder())
	return err != nil && os.Getenv("CI") != "true"
}

// folder is where the providers' documents should be.
func folder() string {
	if named := os.Getenv("GOALCAST_SAMPLES"); named != "" {
		return named
	}
	root, err := os.Getwd()
	for ; err == nil && root != filepath.Dir(root); root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
	}
	return filepath.Join(root, "..", "shared", "samples")
}
