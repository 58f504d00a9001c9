package clientjs

import (
	"net/url"
	"strings"
)

// Clips says which clips the live page shows itself, to viewers who agreed to fetch them from
// where they are. Others are links. The zero value shows none.
type Clips struct {
	// Origins are where pictures and videos may come from: "https://clips.example.org".
	Origins []string `json:"origins"`
	// Player is the address of a video player's page, with {account} and {video} in it: those of
	// a clip that is known by its number there. Empty: such clips are not shown.
	Player string `json:"player,omitempty"`
}

// config is what the page is told of clips: the player's origin is one of them.
func (c Clips) config() Clips {
	if origin := c.playerOrigin(); origin != "" {
		c.Origins = append(c.Origins[:len(c.Origins):len(c.Origins)], origin)
	}
	return c
}

func (c Clips) playerOrigin() string {
	u, err := url.Parse(c.Player)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// policy adds to the page's policy where clips may come from.
func (c Clips) policy() string {
	text := policy
	if from := strings.Join(c.Origins, " "); from != "" {
		text = strings.Replace(text, "img-src 'self'", "img-src 'self' "+from, 1) + "; media-src " + from
	}
	if player := c.playerOrigin(); player != "" {
		text += "; frame-src " + player
	}
	return text
}
