// Package wsctest is WSC for tests: the documents that it posts, and the feed that is pulled. Tests
// of package wsc and of the whole program use it.
package wsctest

import (
	"fmt"
	"time"

	"goalcast"
)

// Object is a JSON object, to be changed before it is sent.
type Object = map[string]any

// Content is a clip as WSC describes it: of a goal in minute 27 of the match, changed as many
// seconds after it was made as its version says. The addresses of its files name the version.
func Content(id string, match goalcast.MatchID, version int, made time.Time) Object {
	file := func(name string) string { return fmt.Sprintf("https://cdn.example.org/v%d/%s", version, name) }
	return Object{
		"id": id, "type": "Moment", "title": "Peeters opens the score", "version": version, "status": "Active",
		"duration":   14.4,
		"createTime": made.UTC().Format(time.RFC3339Nano),
		"updateTime": made.UTC().Add(time.Duration(version) * time.Second).Format(time.RFC3339Nano),
		"videoRenditions": []any{
			Object{"url": file("tall.mp4"), "fileType": "Mp4", "aspectRatio": "Vertical", "bitRate": 9000},
			Object{"url": file("wide.m3u8"), "fileType": "HLS", "aspectRatio": "Horizontal"},
			Object{"url": file("wide.mp4"), "fileType": "Mp4", "aspectRatio": "Horizontal", "bitRate": 5000},
		},
		"thumbnails": []any{Object{"url": "https://cdn.example.org/small.jpg", "aspectRatio": "Square"}},
		"metadata": Object{"game": Object{"provider": "Opta", "providerId": fmt.Sprint(match), "wscId": 1},
			"team": nil, "player": nil},
		"labels":    []any{Object{"title": "Goals", "identifier": "goals"}},
		"extraInfo": Object{"eventMinute": "27", "activeLabels": []any{"goals"}}, "executionTimeType": "InGame",
		"geoTargeting": Object{"includedGeos": []any{"be", "NL"}, "excludedGeos": nil},
	}
}

// Summary makes a content the summary video of its match.
func Summary(content Object) Object {
	content["executionTimeType"], content["labels"], content["type"] = "PostGame", []any{Object{"title": "Highlights",
		"identifier": "highlights"}}, "Video"
	delete(content, "extraInfo")
	return content
}

// Webhook is what WSC posts of a content.
func Webhook(action string, content Object) Object {
	return Object{"Action": action, "ActionTime": content["updateTime"], "ContentId": content["id"],
		"ContentType": content["type"], "Content": content}
}

// Deletion is what WSC posts when a clip is taken away.
func Deletion(id string, at time.Time) Object {
	return Object{"Action": "DELETE", "ActionTime": at.UTC().Format(time.RFC3339), "ContentId": id,
		"ContentType": "Moment"}
}
