package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"goalcast"
)

type oddsPage struct {
	Gates      []gateRow
	GatesNo    *apiError
	Decision   string // that mappings are filtered by
	Mappings   []goalcast.OddsMapping
	MappingsNo *apiError
	Decisions  []goalcast.MappingDecision
}

// gateRow is a match and its gate.
type gateRow struct {
	Match match
	Odds  *goalcast.Gate
	Hand  *goalcast.OddsGate // it is shut by hand
}

func (c *Console) odds(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "odds.html", "Odds", "odds", 5
	p := &oddsPage{Decisions: []goalcast.MappingDecision{goalcast.MappingOpen, goalcast.MappingFound,
		goalcast.MappingDecided, goalcast.MappingRefused}}
	q := v.r.URL.Query()
	if p.Decision = q.Get("decision"); !q.Has("decision") {
		p.Decision = string(goalcast.MappingOpen)
	}
	asked := url.Values{"limit": {"100"}}
	if p.Decision != "" {
		asked.Set("decision", p.Decision)
	}
	var gates gatesAnswer
	var mappings struct{ Mappings []goalcast.OddsMapping }
	together(v.loadAlarms,
		func() { p.GatesNo = v.part("/admin/odds/gates", &gates) },
		func() { p.MappingsNo = v.part("/admin/odds/mappings?"+asked.Encode(), &mappings) })
	if p.GatesNo != nil && p.MappingsNo != nil {
		return p.GatesNo
	}
	p.Gates, p.Mappings = gateRows(gates), mappings.Mappings
	v.Body = p
	return nil
}

// gateRows puts the matches that are shut by hand first, then those in play.
func gateRows(a gatesAnswer) (rows []gateRow) {
	shown := map[goalcast.MatchID]bool{}
	byHand := map[goalcast.MatchID]*goalcast.OddsGate{}
	for i, g := range a.Gates {
		byHand[g.Match] = &a.Gates[i]
	}
	for _, wanted := range []func(gateRow) bool{
		func(r gateRow) bool { return r.Hand != nil },
		func(r gateRow) bool { return r.Hand == nil && r.Match.Live() },
		func(r gateRow) bool { return r.Hand == nil && !r.Match.Live() && (r.Odds != nil || !r.Match.Started()) },
	} {
		for _, m := range a.Matches {
			row := gateRow{m.Match, m.Odds, byHand[goalcast.MatchID(m.Match.ID)]}
			if wanted(row) {
				rows = append(rows, row)
				shown[goalcast.MatchID(m.Match.ID)] = true
			}
		}
	}
	for _, g := range a.Gates { // of other days
		if !shown[g.Match] {
			rows = append(rows, gateRow{Match: match{ID: int64(g.Match)}, Hand: byHand[g.Match]})
		}
	}
	return rows
}

// setGate shuts the prices of a match by hand, or takes that back.
func (c *Console) setGate(v *view) (string, error) {
	shut := v.r.PostForm.Get("shut") == "true"
	done := "opened"
	if shut {
		done = "shut"
	}
	return withQuery(Path+"odds") + "done=" + done, v.call(http.MethodPut,
		"/admin/odds/gates/"+pathOf(strings.TrimSpace(v.r.PostForm.Get("match"))), map[string]bool{"shut": shut}, nil)
}

// decideMapping says which match an event of a provider is.
func (c *Console) decideMapping(v *view) (string, error) {
	form := v.r.PostForm
	body := map[string]any{"source": form.Get("source"), "event": form.Get("event"), "match": nil}
	if text := strings.TrimSpace(form.Get("match")); text != "none" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			return "", &apiError{Status: http.StatusBadRequest, Code: "bad_parameter",
				Detail: "match: want the number of a match"}
		}
		body["match"] = id
	}
	return back(v, "odds") + "done=mapped", v.call(http.MethodPut, "/admin/odds/mappings", body, nil)
}
