package console

import (
	"fmt"
	"net/http"
	"slices"
)

// overviewPage is what stands on top, and how all else is.
type overviewPage struct {
	Wrong     []wrong
	Viewers   viewersAnswer
	ViewersNo *apiError
	Feeds     []feed
	FeedsNo   *apiError
	Queues    queuesAnswer
	QueuesNo  *apiError
	Pushes    pushesAnswer
	PushesNo  *apiError
}

// wrong is something that is not as it should be and is no alarm, or not yet.
type wrong struct {
	Text, Advice string
	Link         link
}

func (c *Console) overview(v *view) error {
	if v.Editor() {
		http.Redirect(v.w, v.r, Path+"message", http.StatusSeeOther)
		return nil
	}
	v.Template, v.Title, v.Page, v.Refresh = "overview.html", "Overview", "overview", 5
	p := &overviewPage{}
	var feeds struct{ Feeds []feed }
	together(
		v.loadAlarms,
		func() { p.ViewersNo = v.part("/admin/viewers", &p.Viewers) },
		func() { p.FeedsNo = v.part("/admin/feeds", &feeds) },
		func() { p.QueuesNo = v.part("/admin/queues", &p.Queues) },
		func() { p.PushesNo = v.part("/admin/pushes?limit=20", &p.Pushes) },
	)
	if v.AlarmsNo != nil && v.AlarmsNo.Status == http.StatusUnauthorized {
		return v.AlarmsNo
	}
	p.Feeds = feeds.Feeds
	p.look(v.Alarms)
	v.Body = p
	return nil
}

// look finds what is wrong besides the alarms.
func (p *overviewPage) look(alarms []alarm) {
	alarmed := func(name string) bool {
		return slices.ContainsFunc(alarms, func(a alarm) bool { return a.Name == name })
	}
	say := func(text, advice, to, linkText string) {
		p.Wrong = append(p.Wrong, wrong{text, advice, link{Path + to, linkText}})
	}
	for _, f := range p.Feeds {
		switch {
		case f.Last.IsZero():
			say(fmt.Sprintf("Nothing came of %s in 24 hours", f.Provider),
				"It may post here, and does not. If it should, call the provider.", "feeds", "Feeds")
		case !f.Silent.IsZero():
			say(fmt.Sprintf("%s is silent while a match is on", f.Name()),
				"Call the provider, unless all feeds are silent: then look at the load balancer.", "feeds", "Feeds")
		case f.Failed > 0 && !alarmed("unreadable:"+f.Provider+"/"+f.Feed):
			say(fmt.Sprintf("%s of %s in the last hour cannot be understood",
				counted(f.Failed, "document", "documents"), f.Name()),
				"They are kept. Look at the error; when the reader is mended, replay them.",
				"feeds?state=failed#documents", "Failed documents")
		}
	}
	for _, n := range p.Viewers.Nodes {
		if n.Reason != "" {
			say(fmt.Sprintf("Hub node %s takes no new viewers: %s", n.Node, n.Reason),
				"Those it has stay. If it does not pass within a minute, look at Redis and the database.", "matches",
				"Viewers")
		}
		if n.Limit > 0 && n.Viewers > n.Limit*9/10 {
			say(fmt.Sprintf("Hub node %s is nearly full: %s of %s viewers", n.Node, number(n.Viewers), number(n.Limit)),
				"Add nodes: beyond the limit viewers are refused.", "matches", "Viewers")
		}
	}
	if p.ViewersNo == nil && len(p.Viewers.Nodes) == 0 {
		say("No hub reports its viewers", "Is a process with the role hub alive, and does it reach Redis?", "matches",
			"Viewers")
	}
	if n := p.Queues.Dead(); n > 0 {
		say(counted(n, "task was", "tasks were")+" given up",
			"Look at their errors; let them run again when the reason is gone.", "queues", "Queues")
	}
	failed := 0
	for _, push := range p.Pushes.Pushes {
		for _, b := range push.Batches {
			if b.Bad() {
				failed += b.Batches
			}
		}
	}
	if failed > 0 {
		say(counted(failed, "batch", "batches")+" of the last pushes failed", "The reason says what to do.", "pushes",
			"Pushes")
	}
}

// Playing are the matches that are on.
func (p *overviewPage) Playing() []watched { return p.Viewers.Playing() }

func (c *Console) matches(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "matches.html", "Matches and viewers", "matches", 5
	var got viewersAnswer
	v.Body = &got
	return v.get("/admin/viewers", &got)
}

func (c *Console) alarms(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "alarms.html", "Alarms", "alarms", 10
	var got struct{ Alarms []alarm }
	if err := v.get("/admin/alarms?state=all&limit=200", &got); err != nil {
		return err
	}
	v.Alarms = []alarm{}
	body := struct{ Open, Closed []alarm }{}
	for _, a := range got.Alarms {
		if a.Closed.IsZero() {
			body.Open = append(body.Open, a)
		} else {
			body.Closed = append(body.Closed, a)
		}
	}
	sortAlarms(body.Open)
	v.Alarms, v.Body = append(v.Alarms, body.Open...), body
	return nil
}

func (c *Console) ackAlarm(v *view) (string, error) {
	to := back(v, "alarms")
	return to + "done=acked", v.call(http.MethodPost, "/admin/alarms/"+pathOf(v.r.PathValue("id"))+"/ack", nil, nil)
}

// back is the page that a form names in "back", or another of ours, ready for one more parameter.
func back(v *view, other string) string {
	to := local(v.r.PostForm.Get("back"))
	if to == "" {
		to = Path + other
	}
	return withQuery(to)
}
