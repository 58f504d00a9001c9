package partner

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"goalcast"
)

// Partner is one installation of somebody else.
type Partner struct {
	Name string // in metrics, logs and the admin API; 1 to 40 of a-z, 0-9, - and _
	// URL is posted to: https. Its path and query may hold a secret, and are shown nowhere.
	URL string
	// Secrets sign each request: one, or two while one is exchanged for another.
	Secrets []Secret
	// Topics are those whose events it gets: of matches, teams and competitions. With All it gets
	// those of all of them.
	Topics []goalcast.Topic
	All    bool
	Kinds  []goalcast.Kind // of events that it gets; none: all
}

// Secret is what a partner knows our requests by.
type Secret []byte

// The lengths of a secret, in bytes.
const (
	minSecret = 24
	maxSecret = 64
)

// ReadSecret reads "whsec_" and 24 to 64 bytes in base64. Its error does not show the secret.
func ReadSecret(text string) (Secret, error) {
	key, ok := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	secret, err := base64.StdEncoding.DecodeString(key)
	if !ok || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
		return nil, fmt.Errorf("want whsec_ and %d to %d random bytes in base64", minSecret, maxSecret)
	}
	return secret, nil
}

var nameText = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// Limits of a partner's fields.
const (
	maxURL     = 2048
	maxSecrets = 2
	maxTopics  = 1000
)

// Check says what is wrong with a partner. It shows neither secrets nor the URL.
func (p Partner) Check() error {
	if !nameText.MatchString(p.Name) {
		return fmt.Errorf("name %q: want 1 to 40 of a-z, 0-9, - and _", p.Name)
	}
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("url: want one that begins with https://, without user, password and fragment")
	case len(p.URL) > maxURL:
		return fmt.Errorf("url: want at most %d bytes", maxURL)
	case len(p.Secrets) == 0 || len(p.Secrets) > maxSecrets:
		return errors.New("want one secret, or two while one is exchanged for the other")
	case !p.All && len(p.Topics) == 0:
		return errors.New("topics: want match:, team: or competition: and a number, or all")
	case len(p.Topics) > maxTopics:
		return fmt.Errorf("topics: want at most %d", maxTopics)
	}
	for _, t := range p.Topics {
		if !t.Kind.Info().Events {
			return fmt.Errorf("topics: %s has no events", t)
		}
	}
	for _, k := range p.Kinds {
		if k == "" || k.Info().Kind != k {
			return fmt.Errorf("kinds: there is no kind %q", k)
		}
	}
	return nil
}

// CheckAll says what is wrong with partners together, or with one of them.
func CheckAll(all []Partner) error {
	if len(all) > MaxPartners {
		return fmt.Errorf("%d partners: want at most %d", len(all), MaxPartners)
	}
	for i, p := range all {
		if err := p.Check(); err != nil {
			return fmt.Errorf("partner %d: %w", i+1, err)
		}
		if slices.ContainsFunc(all[:i], func(o Partner) bool { return o.Name == p.Name }) {
			return fmt.Errorf("name %q is there twice", p.Name)
		}
	}
	return nil
}

func isCompetition(t goalcast.Topic) bool { return t.Kind == goalcast.CompetitionTopic }

// wants says whether an event is for the partner: it is of its topics and kinds.
func (p Partner) wants(e *goalcast.Event) bool {
	if len(p.Kinds) > 0 && !slices.Contains(p.Kinds, e.Kind) {
		return false
	}
	return slices.ContainsFunc(e.Topics, func(t goalcast.Topic) bool {
		return p.All && t.Kind.Info().Events || slices.Contains(p.Topics, t)
	})
}

// sees says whether the partner may know of an event of a match: of a private competition's only
// one that names it. Of a match of which no competition is known nobody may where any are private.
func (p Partner) sees(private goalcast.Private, e *goalcast.Event, match *goalcast.Snapshot) bool {
	hidden := func(id goalcast.CompetitionID) bool {
		return private[id] != 0 && !slices.Contains(p.Topics, goalcast.ForCompetition(id))
	}
	if len(private) == 0 {
		return true
	}
	for _, t := range e.Topics {
		if isCompetition(t) && hidden(goalcast.CompetitionID(t.ID)) {
			return false
		}
	}
	if match == nil {
		return e.Topics[0].Kind != goalcast.MatchTopic // a message of a team or a competition
	}
	return match.Competition.ID != 0 && !hidden(match.Competition.ID)
}
