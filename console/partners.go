package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// partnersAnswer is where partners stand.
type partnersAnswer struct{ Partners []partnerRow }

type partnerRow struct {
	Name           string
	Cursor, Newest int64
	Lag            float64 `json:"lag_seconds"`
	State          string
	Taken          time.Time
	Failing        time.Time `json:"failing_since"`
	Attempts       int
	Retry          time.Time
	Paused         time.Time `json:"paused_since"`
	Reason, Error  string
}

// Waiting counts events behind the cursor, whosever they are.
func (p partnerRow) Waiting() int64 { return max(0, p.Newest-p.Cursor) }

func (c *Console) partners(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "partners.html", "Partners", "partners", 5
	var got partnersAnswer
	v.Body = &got
	return v.get("/admin/partners", &got)
}

// replayPartner has a partner told of all events behind a cursor, or of those since a time, UTC.
func (c *Console) replayPartner(v *view) (string, error) {
	form, body := v.r.PostForm, map[string]any{}
	wrong := func(words string) (string, error) {
		return "", &apiError{Status: http.StatusBadRequest, Code: "bad_parameter", Detail: words}
	}
	switch cursor, since := strings.TrimSpace(form.Get("cursor")), strings.TrimSpace(form.Get("since")); {
	case (cursor == "") == (since == ""):
		return wrong("want a cursor or a time, one of the two")
	case cursor != "":
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return wrong("cursor: want a number")
		}
		body["cursor"] = n
	default:
		at, err := time.Parse("2006-01-02T15:04", since) // as browsers send it
		if err != nil {
			return wrong("since: want a day and a time, as 2026-03-14T19:00")
		}
		body["since"] = at
	}
	return Path + "partners?done=partner", v.call(http.MethodPost,
		"/admin/partners/"+url.PathEscape(v.r.PathValue("name"))+"/replay", body, nil)
}
