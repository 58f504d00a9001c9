package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// TestClipsReachViewers: a clip that WSC posts is tied to its goal and goes out to who follows the
// match; only who knows the key may post one.
func TestClipsReachViewers(t *testing.T) {
	t.Parallel()
	const secret = "wsc-secret-of-the-tests"
	p := startEmbedded(t, "GOALCAST_WSC_SHOW_RENDITION=true", "GOALCAST_FEED_SECRETS=wsc="+secret).ingest
	m := madeUpMatches(t)[1]
	v := newViewer(t, p.public, overWebSocket, goalcast.ForMatch(m.id))
	v.join()
	f7 := m.f7
	p.take(optaNow("F7", f7))
	known := p.match(m.id)
	i := slices.IndexFunc(known.Timeline, func(e goalcast.Event) bool { return e.Kind == goalcast.KindGoal })
	goal := known.Timeline[i]

	body := fmt.Sprintf(`{"Action":"Create","ActionTime":"2018-08-20T20:40:00Z","ContentId":"65f0c0ffee65f0c0ffee0001","ContentType":"Moment","Content":{
		"id":"65f0c0ffee65f0c0ffee0001","type":"Moment","title":"The opener","version":1,"status":"Active","createTime":"2018-08-20T20:40:00Z","updateTime":"2018-08-20T20:40:00Z",
		"executionTimeType":"InGame","duration":14,"videoRenditions":[{"url":"https://cdn.example.org/wide.mp4","fileType":"Mp4","aspectRatio":"16:9"}],
		"metadata":{"game":{"provider":"Opta","providerId":"%d"},"team":{"provider":"Opta","providerId":"%d"}},
		"labels":[{"title":"Goal","identifier":"goal"}],"extraInfo":{"eventMinute":"%d"},"geoTargeting":{"includedGeos":["BE"]}}}`, m.id, goal.Team, goal.Minute)
	post := func(key string) int {
		status, _ := ask(t, http.MethodPost, p.public+"/feeds/wsc", http.Header{"X-Api-Key": {key},
			"Content-Type": {"application/json"}}, body)
		return status
	}
	if status := post("wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong key: %d", status)
	}
	if status := post(secret); status != http.StatusOK {
		t.Fatalf("webhook: %d", status)
	}
	v.waitEvents(20*time.Second, "the clip", func(events []goalcast.Event) error {
		for _, e := range events {
			if e.Kind != goalcast.KindClip {
				continue
			}
			if e.Clip.Of != goal.ID || e.Clip.URL != "https://cdn.example.org/wide.mp4" ||
				!slices.Equal(e.Clip.Include, []string{"BE"}) {
				t.Fatalf("clip %+v of %s, want one of %s", e.Clip, e.Clip.Of, goal.ID)
			}
			return nil
		}
		return errors.New("no clip")
	})
}
