package wsc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The JSON of WSC. Names are compared without case by encoding/json; types are taken loosely, since
// what is published are a schema for pulling and the prose for webhooks.
type (
	envelope struct {
		Action      text
		ActionTime  moment
		ContentID   text `json:"ContentId"`
		ContentType text
		Content     json.RawMessage
	}
	content struct {
		ID            text
		Type          text
		Title         text
		Description   text
		Version       number
		Status        text
		Duration      number // seconds
		CreateTime    moment
		UpdateTime    moment
		ExecutionTime text            `json:"executionTimeType"`
		Renditions    list[rendition] `json:"videoRenditions"`
		Thumbnails    list[picture]
		Pages         list[page]
		Labels        list[label]
		Metadata      *metadata
		Extra         struct {
			Minute text `json:"eventMinute"`
		} `json:"extraInfo"`
		Geo struct {
			Included list[text] `json:"includedGeos"`
			Excluded list[text] `json:"excludedGeos"`
		} `json:"geoTargeting"`
	}
	rendition struct {
		URL         text
		FileType    text
		AspectRatio text
		BitRate     number
	}
	picture struct {
		URL         text
		AspectRatio text
	}
	page struct {
		Renditions list[rendition] `json:"videoRenditions"`
		Metadata   *metadata
		Extra      struct {
			Minute text `json:"eventMinute"`
		} `json:"extraInfo"`
	}
	label    struct{ Title, Identifier text }
	metadata struct{ Game, Team, Player *entity }
	entity   struct {
		Provider   text
		ProviderID text `json:"providerId"`
	}
)

// text reads a string, a number or a truth value; anything else is empty.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case b[0] == '{', b[0] == '[', bytes.Equal(b, []byte("null")):
		*t = ""
	default:
		*t = text(b)
	}
	return nil
}

// clean is the text without zero bytes and space around it, at most n bytes.
func (t text) clean(n int) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(string(t), "\x00", ""), "\uFFFD")
	return strings.TrimSpace(strings.ToValidUTF8(s[:min(len(s), n)], ""))
}

// number reads a number, also one in a string; anything else is 0.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	if err != nil || f != f {
		f = 0
	}
	*n = number(f)
	return nil
}

// within is the number as an integer between two others.
func (n number) within(low, high int64) int64 {
	return int64(max(min(float64(n), float64(high)), float64(low)))
}

// list reads a list, leaving out what does not belong there; anything else is empty.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var v T
		if json.Unmarshal(r, &v) == nil && !bytes.Equal(r, []byte("null")) {
			*l = append(*l, v)
		}
	}
	return nil
}

// moment reads a time, UTC where no zone is written, to the millisecond; null and empty
// text are zero. Text that is no time is zero too, and kept: whether that matters depends
// on what it is the time of.
type moment struct {
	time.Time
	wrong string
}

func (m *moment) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil || t == "" {
		return err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		at, err := time.Parse(layout, string(t))
		if err == nil && at.Year() >= 1970 && at.Year() < 3000 {
			m.Time = at.UTC().Truncate(time.Millisecond)
			return nil
		}
	}
	m.wrong = string(t)
	return nil
}
