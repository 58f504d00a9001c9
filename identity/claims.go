package identity

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"goalcast"
)

// claims are what an issuer says of somebody, by name.
type claims map[string]any

// values gives a claim's values as texts: of a list each one, of a scope each word, of a number or
// true its JSON text. A name with dots that is none itself is a path into objects.
func (c claims) values(name string) []string {
	value, ok := c[name]
	for at := map[string]any(c); !ok; {
		first, rest, more := strings.Cut(name, ".")
		if !more {
			value = at[name]
			break
		}
		if at, _ = at[first].(map[string]any); at == nil {
			return nil
		}
		name = rest
	}
	switch v := value.(type) {
	case []any:
		texts := make([]string, 0, len(v))
		for _, one := range v {
			if text, ok := plain(one); ok {
				texts = append(texts, text)
			}
		}
		return texts
	case string:
		if name == "scope" || name == "scp" {
			return strings.Fields(v)
		}
	}
	if text, ok := plain(value); ok {
		return []string{text}
	}
	return nil
}

func plain(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// granted says whether claims have what a grant wants.
func (c claims) granted(g Grant) bool {
	if g.Claim == "" {
		return false
	}
	return slices.ContainsFunc(c.values(g.Claim), func(v string) bool { return slices.Contains(g.Values, v) })
}

// readClaims reads a JSON object, numbers as they are written.
func readClaims(text []byte) (c claims, err error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	err = d.Decode(&c)
	return c, err
}

// role is the highest one that the claims give.
func (i *issuer) role(c claims) goalcast.Role {
	have := goalcast.NoRole
	if _, asked := i.cfg.Roles[goalcast.Viewer]; !asked {
		have = goalcast.Viewer
	}
	for role, grant := range i.cfg.Roles {
		if role > have && c.granted(grant) {
			have = role
		}
	}
	return have
}

// rights are those that the claims give.
func (i *issuer) rights(c claims) (have goalcast.Rights) {
	if c.granted(i.cfg.Odds) {
		have |= goalcast.RightOdds
	}
	for n, group := range i.limits.Private {
		if c.granted(i.cfg.Private[group.Name]) {
			have |= goalcast.PrivateRight(n)
		}
	}
	return have
}
