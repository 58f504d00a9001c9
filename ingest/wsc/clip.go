package wsc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
)

// errShape says that a document is neither of the forms that WSC describes.
var errShape = errors.New("neither a webhook of version 2 nor a story, moment or video")

// deletedCut makes a deletion the last word among documents of the same time: rights are at stake.
// It is read as a time in ms by ingest's memory.
const deletedCut = 1 << 47

// Limits of what is taken from a document.
const (
	maxTitle = 300  // bytes
	maxURL   = 2000 // bytes
	maxGeos  = 300
	maxMatch = 1 << 53

	maxElements = 20_000 // values of a document; a story of sixty pages has 4,000
)

// clip is what one document says of one clip.
type clip struct {
	ID      string // 24 hex digits, as far as is published
	Type    string // STORY, MOMENT, VIDEO
	Shown   bool   // active and not deleted
	Deleted bool
	At      time.Time // the order of its documents: when it was last edited or deleted; zero if it does not say
	Version int64     // of the cut
	Made    time.Time

	Title     string
	Seconds   int
	URL       string // where WSC's own file plays; empty without one
	Master    string // an MP4 to upload; empty without one
	Thumbnail string
	Poster    string
	Summary   bool
	Goal      bool // it shows a goal, by its labels
	Period    goalcast.Period
	Minute    int // as fans say it; 0 if it does not say
	Match     goalcast.MatchID
	Team      goalcast.TeamID
	Player    goalcast.PlayerID
	Include   []string
	Exclude   []string
	PreGame   bool
	PostGame  bool
	hints     []string // what it is labelled with, to find team names in
	prose     []string // title and description: the same, but words there mean less
	mended    letters.Mended
}

// contentID is what is taken for an id: it becomes part of addresses and of task names.
var contentID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// parse reads a webhook of version 2, or one of version 1: the bare content.
func parse(body []byte) (clip, error) {
	var mended letters.Mended
	body, err := letters.JSON(body, maxElements, &mended)
	if err != nil {
		return clip{}, fmt.Errorf("wsc: %w", err)
	}
	var env envelope
	if err := json.Unmarshal(body, &env); err != nil {
		return clip{}, fmt.Errorf("wsc: %w", err)
	}
	raw, action := []byte(env.Content), strings.ToLower(env.Action.clean(40))
	hasContent := len(raw) > 0 && string(raw) != "null"
	bare := action == "" && !hasContent
	if bare {
		raw, hasContent = body, true
	}
	var c content
	if hasContent {
		if err := json.Unmarshal(raw, &c); err != nil {
			return clip{}, fmt.Errorf("wsc: content: %w", err)
		}
	}
	if bare && (c.ID == "" || c.Type == "" && c.Status == "" && c.UpdateTime.IsZero()) {
		return clip{}, fmt.Errorf("wsc: %w", errShape)
	}
	deleted, err := deletes(action)
	if err != nil {
		return clip{}, err
	}
	id := cmp.Or(env.ContentID, c.ID).clean(80)
	if !contentID.MatchString(id) {
		return clip{}, fmt.Errorf("wsc: content id %.40q", id)
	}
	if !deleted && !hasContent {
		return clip{}, fmt.Errorf("wsc: %s of %s without content", action, id)
	}
	switch {
	case c.UpdateTime.wrong != "":
		return clip{}, fmt.Errorf("wsc: content: update time %.40q", c.UpdateTime.wrong)
	case c.UpdateTime.IsZero() && env.ActionTime.wrong != "":
		return clip{}, fmt.Errorf("wsc: action time %.40q", env.ActionTime.wrong)
	}
	out := c.clip(&mended)
	out.mended = mended
	out.ID, out.Deleted = id, deleted
	out.Type = strings.ToUpper(cmp.Or(env.ContentType, c.Type).clean(16))
	out.Shown = !deleted && strings.EqualFold(c.Status.clean(20), "active")
	if out.At = c.UpdateTime.Time; out.At.IsZero() || deleted && env.ActionTime.After(out.At) {
		out.At = cmp.Or(env.ActionTime.Time, c.UpdateTime.Time, c.CreateTime.Time)
	}
	if deleted {
		out.Version = deletedCut
	}
	return out, nil
}

// deletes reads an action. How it is spelled is not published: create, Created, UPDATE, ...; none
// is that of a bare content.
func deletes(action string) (bool, error) {
	switch {
	case strings.HasPrefix(action, "delete"), strings.HasPrefix(action, "remove"),
		strings.HasPrefix(action, "unpublish"):
		return true, nil
	case action == "", strings.HasPrefix(action, "create"), strings.HasPrefix(action, "update"),
		strings.HasPrefix(action, "publish"):
		return false, nil
	}
	return false, fmt.Errorf("wsc: action %.20q", action)
}

func (c content) clip(mended *letters.Mended) clip {
	out := clip{
		Title: letters.Line(string(c.Title), maxTitle, mended), Version: c.Version.within(0, deletedCut-1),
		Seconds: int(c.Duration.within(0, 86400)), Made: c.CreateTime.Time,
		Include: countries(c.Geo.Included), Exclude: countries(c.Geo.Excluded),
	}
	when := strings.ToLower(c.ExecutionTime.clean(20))
	out.PreGame, out.PostGame = when == "pregame", when == "postgame"
	minute, renditions, meta := c.Extra.Minute, c.Renditions, c.Metadata
	if len(c.Pages) == 1 { // a story of one page: what it is of may stand there
		minute = cmp.Or(minute, c.Pages[0].Extra.Minute)
		meta = cmp.Or(meta, c.Pages[0].Metadata)
		if len(renditions) == 0 {
			renditions = c.Pages[0].Renditions
		}
	}
	out.Period, out.Minute = minuteOf(minute.clean(20))
	out.URL, out.Master = playable(renditions)
	out.Thumbnail, out.Poster = pictures(c.Thumbnails)
	if meta != nil {
		out.Match = goalcast.MatchID(meta.Game.opta())
		out.Team = goalcast.TeamID(meta.Team.opta())
		out.Player = goalcast.PlayerID(meta.Player.opta())
	}
	// else of one goal, or of one player's evening
	out.Summary = out.PostGame && out.Minute == 0 && (meta == nil || meta.Player == nil)
	for _, l := range c.Labels {
		out.hints = append(out.hints, l.Title.clean(100), strings.ReplaceAll(l.Identifier.clean(100), "_", " "))
	}
	out.prose = []string{out.Title, c.Description.clean(1000)}
	out.Goal = !out.Summary && slices.ContainsFunc(out.hints, namesGoal)
	return out
}

// namesGoal says whether a label is that of goals. A penalty may be missed and an attempt saved:
// only these words are sure.
func namesGoal(label string) bool {
	switch strings.ToLower(label) {
	case "goal", "goals", "own goal", "own goals", "penalty goal", "penalty goals", "goal scored", "doelpunt",
		"doelpunten", "but", "buts":
		return true
	}
	return false
}

// opta is an entity's id at Opta; 0 where it has none, or another provider's.
func (e *entity) opta() int64 {
	if e == nil {
		return 0
	}
	if who := strings.ToLower(e.Provider.clean(40)); who != "" && !strings.Contains(who, "opta") &&
		!strings.Contains(who, "perform") {
		return 0
	}
	digits := strings.TrimLeft(e.ProviderID.clean(20), "fgtp") // f7, g1, t30 and p9 as Opta's own feeds write them
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > maxMatch {
		return 0
	}
	return n
}

var minuteText = regexp.MustCompile(`^(\d{1,3})(?:\s*\+\s*(\d{1,2}))?\s*['’]?$`)

// minuteOf reads "27", "27'", "45+2": the period is told where the minute alone says it. Anything
// else, such as a placeholder, is 0.
func minuteOf(s string) (goalcast.Period, int) {
	m := minuteText.FindStringSubmatch(s)
	if m == nil {
		return "", 0
	}
	minute, _ := strconv.Atoi(m[1])
	added, _ := strconv.Atoi(m[2])
	period := goalcast.Period("")
	switch {
	case minute == 0 || minute > 150:
		return "", 0
	case minute <= 45:
		period = goalcast.FirstHalf
	case minute <= 90:
		period = goalcast.SecondHalf
	case minute <= 105 && added > 0:
		period = goalcast.ExtraFirstHalf
	case added > 0:
		period = goalcast.ExtraSecondHalf
	}
	return period, minute + added
}

// playable chooses what viewers could play, and what can be uploaded: an MP4 first, as wide as a
// screen, then the best quality.
func playable(all list[rendition]) (play, master string) {
	rank := func(r rendition) (n int) {
		if strings.EqualFold(r.FileType.clean(10), "mp4") {
			n += 2
		}
		if wide(r.AspectRatio) {
			n++
		}
		return n
	}
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b rendition) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.BitRate, a.BitRate))
	})
	for _, r := range sorted {
		address := secureURL(r.URL)
		if address == "" {
			continue
		}
		play = cmp.Or(play, address)
		if master == "" && strings.EqualFold(r.FileType.clean(10), "mp4") {
			master = address
		}
	}
	return play, master
}

// wide says whether a ratio is 16:9, as WSC's words or as numbers.
func wide(ratio text) bool {
	switch strings.ToLower(ratio.clean(20)) {
	case "horizontal", "16:9", "16x9", "sixteentonine":
		return true
	}
	return false
}

// pictures chooses a small and a large picture; moving ones are none.
func pictures(all list[picture]) (thumbnail, poster string) {
	for _, p := range all {
		address := secureURL(p.URL)
		if address == "" || strings.HasSuffix(strings.ToLower(address), ".gif") {
			continue
		}
		thumbnail = cmp.Or(thumbnail, address)
		if wide(p.AspectRatio) {
			return address, address
		}
	}
	return thumbnail, ""
}

// secureURL is the address if it is one over HTTPS that can be given to strangers, else empty.
func secureURL(t text) string {
	s := t.clean(maxURL + 1)
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// countries brings codes into one form. None is dropped for being odd: a rule that cannot be
// understood must not become no rule.
func countries(all list[text]) []string {
	var out []string
	for _, t := range all[:min(len(all), maxGeos)] {
		if code := strings.ToUpper(t.clean(16)); code != "" && !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	slices.Sort(out)
	return out
}

// version is the clip's place in the order of its documents, as ingest's memory keeps it.
func (c clip) version(digest string) merge.Version {
	return merge.Version{Time: c.At, Edited: time.UnixMilli(c.Version).UTC(), Digest: digest}
}

// eventID names the clip's event in a match. Ids are unique among all matches' events, and a clip
// may turn out to be of another one.
func eventID(content string, match goalcast.MatchID) string {
	return fmt.Sprintf("wsc:%s:%d", content, match)
}

// fact is what the clip's document says, as an event of a match; the video is
// for the player to say.
func (c clip) fact(match goalcast.MatchID, showRendition bool) goalcast.Event {
	e := goalcast.Event{
		ID: eventID(c.ID, match), Kind: goalcast.KindClip, Status: goalcast.Confirmed, Team: c.Team, Period: c.Period,
		Minute: c.Minute, At: c.Made,
		Clip: &goalcast.Clip{Version: c.Version, Title: c.Title, Seconds: c.Seconds, Thumbnail: c.Thumbnail,
			Poster: c.Poster, Summary: c.Summary,
			Include: c.Include, Exclude: c.Exclude},
	}
	if showRendition {
		e.Clip.URL = c.URL
	}
	if c.Player != 0 {
		e.Player = &goalcast.Player{ID: c.Player}
	}
	if c.Goal {
		e.Goal = &goalcast.Goal{Type: goalcast.OpenPlay}
	}
	return e
}
