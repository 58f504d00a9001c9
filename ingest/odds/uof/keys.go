package uof

import (
	"slices"
	"strconv"
	"strings"
)

// maxKey is how long a key may be, in bytes.
const maxKey = 100

// known are the markets that have names in goalcast. prefix ends with a colon where the value of
// the specifier follows.
var known = map[int64]struct {
	prefix, specifier string
	outcomes          map[string]string
}{
	1:  {"1x2", "", map[string]string{"1": "home", "2": "draw", "3": "away"}},
	10: {"dc", "", map[string]string{"9": "home_draw", "10": "home_away", "11": "draw_away"}},
	11: {"dnb", "", map[string]string{"4": "home", "5": "away"}},
	16: {"ah:", "hcp", map[string]string{"1714": "home", "1715": "away"}},
	18: {"ou:", "total", map[string]string{"12": "over", "13": "under"}},
	29: {"btts", "", map[string]string{"74": "yes", "76": "no"}},
	45: {"cs", "", scores()},
}

// scores are the outcomes of market 45: 0-0 is 274, then every second number, home goals first.
func scores() map[string]string {
	all := map[string]string{"324": "other"}
	for home := range 5 {
		for away := range 5 {
			all[strconv.Itoa(274+2*(home+5*away))] = strconv.Itoa(home) + "-" + strconv.Itoa(away)
		}
	}
	return all
}

// marketKey names a market: "ou:2.5", else "uof:123:set:2/game:3". It is false where the key has
// letters that none may have, or is too long; specifiers are named in the order of the alphabet.
func marketKey(id int64, specifiers string) (string, bool) {
	if k, ok := known[id]; ok {
		if k.specifier == "" && specifiers == "" {
			return k.prefix, true
		}
		name, value, _ := strings.Cut(specifiers, "=")
		if line, isLine := decimal(value); k.specifier != "" && name == k.specifier && isLine {
			return k.prefix + line, true
		}
	}
	key := "uof:" + strconv.FormatInt(id, 10)
	if specifiers != "" {
		if strings.Contains(specifiers, "/") {
			return "", false // it could be another market's
		}
		all := strings.Split(specifiers, "|")
		slices.Sort(all)
		for i, s := range all {
			all[i] = strings.Replace(s, "=", ":", 1)
		}
		key += ":" + strings.Join(all, "/")
	}
	return key, isKey(key)
}

// selectionKey names an outcome of a market with the key.
func selectionKey(id int64, market, outcome string) (string, bool) {
	if !strings.HasPrefix(market, "uof:") {
		if name, ok := known[id].outcomes[outcome]; ok {
			return name, true
		}
	}
	return outcome, isKey(outcome)
}

// decimal writes a line in one way: "+1.50" is "1.5", "-0" is "0".
func decimal(text string) (string, bool) {
	digits := strings.TrimPrefix(text, "+")
	minus := strings.HasPrefix(digits, "-") && digits == text
	digits = strings.TrimPrefix(digits, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && fraction == "" || len(digits) > 12 ||
		strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	line := whole
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		line += "." + fraction
	}
	if minus && line != "0" {
		line = "-" + line
	}
	return line, true
}

// isKey says whether text can be a key: up to 100 of a-z, A-Z, 0-9 and "._:+-/".
func isKey(text string) bool {
	if text == "" || len(text) > maxKey {
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("._:+-/", c) < 0 {
			return false
		}
	}
	return true
}
