package console

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
)

type auditPage struct {
	Who, Action string // that it is filtered by
	Entries     []auditEntry
	More        string // where the older ones are
}

type auditEntry struct {
	ID            int64
	At            time.Time
	Who, Role     string
	Action        string
	Target        string
	Before, After json.RawMessage
	Request       string `json:"request_id"`
	Status        int
}

// Failed says whether the action was refused, or did not work.
func (e auditEntry) Failed() bool { return e.Status >= 400 }

// What is the action without what all have in common.
func (e auditEntry) What() string { return strings.Replace(e.Action, " /admin/", " ", 1) }

// Was and Is are what the action changed, for a person.
func (e auditEntry) Was() string { return indent(e.Before) }

// Is is what became of it.
func (e auditEntry) Is() string { return indent(e.After) }

func (c *Console) audit(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "audit.html", "Audit", "audit", 10
	q := v.r.URL.Query()
	p := &auditPage{Who: strings.TrimSpace(q.Get("who")), Action: strings.TrimSpace(q.Get("action"))}
	asked := url.Values{"limit": {"50"}}
	for name, value := range map[string]string{"who": p.Who, "action": p.Action, "before": q.Get("before")} {
		if value != "" {
			asked.Set(name, value)
		}
	}
	var got struct {
		Entries []auditEntry
		Before  int64
	}
	if err := v.get("/admin/audit?"+asked.Encode(), &got); err != nil {
		return err
	}
	if p.Entries = got.Entries; got.Before != 0 {
		asked.Set("before", strconv.FormatInt(got.Before, 10))
		asked.Del("limit")
		p.More = Path + "audit?" + asked.Encode()
	}
	v.Body = p
	return nil
}
