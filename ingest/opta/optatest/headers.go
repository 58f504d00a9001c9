package optatest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Headers makes the X-Meta headers that a document of a feed ("F1", "F7", "F9", "F24") is pushed
// with. The ids are taken from the document, and at is when it was made.
func Headers(feed string, body []byte, at time.Time) http.Header {
	find := func(pattern string) string {
		m := compiled(pattern).FindSubmatch(body)
		if m == nil {
			return ""
		}
		return string(m[1])
	}
	var game, competition, season, matchday, home, away string
	switch feed {
	case "F24":
		tag := find(`(<Game [^>]*>)`)
		get := func(name string) string { value, _ := attribute(tag, name); return value }
		game, competition, season, matchday = get("id"), get("competition_id"), get("season_id"), get("matchday")
		home, away = get("home_team_id"), get("away_team_id")
	case "F1":
		competition, season = find(`<SoccerDocument [^>]*competition_id="(\d+)"`), find(`<SoccerDocument [^>]*season_id="(\d+)"`)
	default:
		game, competition = find(`<SoccerDocument [^>]*uID="f(\d+)"`), find(`<Competition uID="c(\d+)"`)
		season, matchday = find(`<Stat Type="season_id">(\d+)<`), find(`<Stat Type="matchday">(\d+)<`)
		home, away = find(`<TeamData [^>]*Side="Home"[^>]*TeamRef="t(\d+)"`), find(`<TeamData [^>]*Side="Away"[^>]*TeamRef="t(\d+)"`)
	}
	name := map[string]string{
		"F1":  fmt.Sprintf("srml-%s-%s-results.xml", competition, season),
		"F24": fmt.Sprintf("f24-%s-%s-%s-eventdetails.xml", competition, season, game),
	}[feed]
	if name == "" {
		name = fmt.Sprintf("srml-%s-%s-f%s-matchresults.xml", competition, season, game)
	}
	digest := md5.Sum(body)
	h := http.Header{}
	for key, value := range map[string]string{
		"Content-Type": "text/xml", "X-Meta-Mime-Type": "text/xml", "X-Meta-Encoding": "UTF-8", "X-Meta-Language": "en",
		"X-Meta-Feed-Type": strings.ToUpper(feed), "X-Meta-Default-Filename": name, "X-Meta-Sport-Id": "1",
		"X-Meta-Gamesystem-Id": "1",
		"X-Meta-Game-Id":       game, "X-Meta-Competition-Id": competition, "X-Meta-Season-Id": season,
		"X-Meta-Matchday":     matchday,
		"X-Meta-Home-Team-Id": home, "X-Meta-Away-Team-Id": away,
		"X-Meta-Last-Updated":                at.UTC().Format("2006-01-02 15:04:05"),
		"X-Meta-Production-Server-Timestamp": at.UTC().Format("2006-01-02 15:04:05"),
		"X-Meta-Message-Digest":              hex.EncodeToString(digest[:]),
	} {
		if value != "" {
			h.Set(key, value)
		}
	}
	return h
}
