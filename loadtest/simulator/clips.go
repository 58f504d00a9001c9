package simulator

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// clipDelay is from the moment at which a goal fell to its clip, on the fast clock: as long as
// editing takes.
const clipDelay = 3 * time.Minute

// clip is a goal's clip as WSC posts it to a webhook: the body of a create. The addresses in it
// lead nowhere.
func (d *Day) clip(m *match, in *incident) []byte {
	type object = map[string]any
	truth := d.goalTruth(in, in.event.versions[0])
	minute := strconv.Itoa(truth.Minute)
	if whole := 45 * truth.Half; truth.Minute > whole {
		minute = fmt.Sprintf("%d+%d", whole, truth.Minute-whole)
	}
	made := d.wall(in.event.at + clipDelay)
	id := fmt.Sprintf("%024x", in.event.id)
	content := object{
		"id": id, "type": "Moment", "title": fmt.Sprintf("Goal for %s", in.side.name), "version": 1, "status": "Active",
		"duration": 14.4, "createTime": made.Format(time.RFC3339Nano), "updateTime": made.Format(time.RFC3339Nano),
		"videoRenditions": []any{object{"url": "https://clips.example.org/" + id + ".mp4", "fileType": "Mp4",
			"aspectRatio": "Horizontal", "bitRate": 5000}},
		"thumbnails": []any{object{"url": "https://clips.example.org/" + id + ".jpg", "aspectRatio": "Square"}},
		"metadata": object{"game": object{"provider": "Opta", "providerId": fmt.Sprint(m.id)},
			"team":   object{"provider": "Opta", "providerId": fmt.Sprint(in.side.team)},
			"player": object{"provider": "Opta", "providerId": fmt.Sprint(truth.First)}},
		"labels":            []any{object{"title": "Goals", "identifier": "goals"}},
		"extraInfo":         object{"eventMinute": minute, "activeLabels": []any{"goals"}},
		"executionTimeType": "InGame", "geoTargeting": nil,
	}
	body, err := json.Marshal(object{"Action": "create", "ActionTime": made.Format(time.RFC3339Nano), "ContentId": id,
		"ContentType": "Moment", "Content": content})
	if err != nil {
		panic("simulator: " + err.Error()) // strings and numbers
	}
	return body
}
