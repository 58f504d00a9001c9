package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

const (
	readTime = 6 * time.Second // for all that a page asks the API; the API itself answers within 5 s
	// writeTime is for what a form does: a replay may take a minute.
	writeTime = 70 * time.Second
)

// view is one answer of ours, while it is made.
type view struct {
	c       *Console
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	cookie  secret
	session session
	id      string // of the request, for the API too

	Template string
	Title    string
	Page     string // which part of the navigation it belongs to
	Refresh  int    // seconds until the page looks again; 0: it does not
	Now      time.Time
	Done     string    // what a form just did
	Problem  *apiError // instead of the page
	Alarms   []alarm   // that are open
	AlarmsNo *apiError // why nobody knows
	Body     any
}

// page makes the body of a view; action does what a form asks for, and says where to go next.
type (
	page   func(*view) error
	action func(*view) (to string, err error)
)

// Editor says that somebody may write messages and no more.
func (v *view) Editor() bool { return v.session.Role < goalcast.Operator }

// Admin says that somebody may see what others did.
func (v *view) Admin() bool { return v.session.Role >= goalcast.Admin }

// Role is that of whoever looks.
func (v *view) Role() string { return v.session.Role.String() }

// User is the login of whoever looks; empty for a configured token.
func (v *view) User() string { return v.session.User }

// LoggedIn says whether anybody is.
func (v *view) LoggedIn() bool { return v.session.Token != "" }

// Ends is when the session ends.
func (v *view) Ends() time.Time { return v.session.Ends }

// Once is a new number for a form.
func (v *view) Once() string { return rand.Text() }

// Here is the path and query of the page, without what a form just did.
func (v *view) Here() string {
	u := *v.r.URL
	q := u.Query()
	q.Del("done")
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

func (v *view) call(method, path string, body, into any) error {
	a, err := v.ask(method, path, body)
	if err != nil || into == nil {
		return err
	}
	if a.cut || json.Unmarshal(a.body.Bytes(), into) != nil {
		return &apiError{Status: http.StatusBadGateway, Code: "unreadable_answer",
			Detail: "the API's answer cannot be read", RequestID: v.id}
	}
	return nil
}

func (v *view) get(path string, into any) error { return v.call(http.MethodGet, path, nil, into) }

// part asks for a part of a page, which has its own error: the rest is shown all the same.
func (v *view) part(path string, into any) *apiError { return asAPI(v.get(path, into)) }

// together runs the parts of a page side by side.
func together(parts ...func()) {
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(part)
	}
	wg.Wait()
}

func asAPI(err error) *apiError {
	var p *apiError
	if errors.As(err, &p) {
		return p
	}
	if err != nil {
		return &apiError{Status: http.StatusInternalServerError, Code: "internal", Detail: "something went wrong here"}
	}
	return nil
}

// view is an answer to somebody of whom nothing is known yet.
func (c *Console) view(w http.ResponseWriter, r *http.Request) *view {
	return &view{c: c, w: w, r: r, ctx: r.Context(), id: problem.RequestID(w, r), Now: c.cfg.Now().UTC()}
}

// begin finds out who looks. Without a session it answers, and gives nil.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, limit time.Duration) (*view, context.CancelFunc) {
	cookie := cookieOf(r)
	one, ok := session{}, false
	if cookie != nil {
		one, ok = c.sessions.find(r.Context(), cookie)
	}
	if !ok {
		c.toLogin(w, r, cookie)
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	v := c.view(w, r)
	v.ctx, v.cookie, v.session = ctx, cookie, one
	return v, cancel
}

// toLogin sends a browser to the login page. One that comes from another site does not show our
// cookie: it is asked to come again, from here.
func (c *Console) toLogin(w http.ResponseWriter, r *http.Request, cookie secret) {
	if r.Method == http.MethodGet && cookie == nil && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		v := c.view(w, r)
		v.Template, v.Title = "again.html", "One moment"
		c.render(w, http.StatusOK, v)
		return
	}
	q := url.Values{}
	if r.Method == http.MethodGet && r.URL.Path != Path {
		q.Set("next", r.URL.RequestURI())
	}
	if cookie != nil {
		setCookie(w, r, nil, 0)
		q.Set("ended", "1")
	}
	http.Redirect(w, r, strings.TrimSuffix(Path+"login?"+q.Encode(), "?"), http.StatusSeeOther)
}

// read is the handler of a page.
func (c *Console) read(h page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, cancel := c.begin(w, r, readTime)
		if v == nil {
			return
		}
		defer cancel()
		v.Done = doneTexts[r.URL.Query().Get("done")]
		err := h(v)
		if err == nil && v.Template == "" {
			return // it has answered
		}
		c.finish(v, err)
	})
}

// write is the handler of a form that is ours. What it did is shown by the page that the browser is
// sent to, so that a reload does nothing again.
func (c *Console) write(h action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, cancel := c.begin(w, r, writeTime)
		if v == nil {
			return
		}
		defer cancel()
		// What was begun is finished, also if the browser goes away.
		v.ctx, cancel = context.WithTimeout(context.WithoutCancel(r.Context()), writeTime)
		defer cancel()
		to, err := "", error(badForm)
		if r.ParseForm() == nil && r.PostForm.Get("once") != "" {
			to, err = c.sent.do(v.cookie.digest()+" "+r.URL.Path+" "+r.PostForm.Get("once"), func() (string, error) {
				return h(v)
			})
		}
		if err != nil {
			c.finish(v, err)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

var badForm = &apiError{Status: http.StatusBadRequest, Code: "bad_form",
	Detail: "the form did not arrive whole, or is too long"}

// finish renders a view, or what went wrong.
func (c *Console) finish(v *view, err error) {
	p := asAPI(err)
	switch {
	case p == nil:
		if v.AlarmsNo == nil && v.Alarms == nil && !v.Editor() {
			v.loadAlarms()
		}
	case p.Status == http.StatusUnauthorized: // the token was withdrawn, or has ended
		c.sessions.end(v.r.Context(), v.cookie)
		c.toLogin(v.w, v.r, v.cookie)
		return
	default:
		c.fail(v.w, v.r, v, p)
		return
	}
	c.render(v.w, http.StatusOK, v)
}

// fail shows an error instead of a page. The view may be nil.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v *view, p *apiError) {
	if v == nil {
		v = c.view(w, r)
	}
	shown := *p
	if shown.RequestID == "" {
		shown.RequestID = v.id
	}
	v.Template, v.Title, v.Problem, v.Refresh = "error.html", "Error", &shown, 0
	if p.Retry != "" {
		w.Header().Set("Retry-After", p.Retry)
	}
	c.render(w, p.Status, v)
}

// loadAlarms asks for the alarms that are open: their number stands on every page.
func (v *view) loadAlarms() {
	var got struct{ Alarms []alarm }
	v.AlarmsNo = v.part("/admin/alarms?limit=500", &got)
	v.Alarms = got.Alarms
	sortAlarms(v.Alarms)
}

// doneTexts say what a form did.
var doneTexts = map[string]string{
	"partner": "Its cursor is set: what is behind it is sent.",
	"acked": "Acknowledged: others see that somebody takes care. The alarm closes by itself when its reason is " +
		"gone.",
	"replayed": "Replayed. Viewers get what came out new; phones hear nothing.",
	"shut":     "Shut: no price of this match is shown until it is opened again here.",
	"opened":   "No longer shut by hand. Prices show when nothing else shuts them.",
	"mapped":   "Decided. The prices of the matches concerned are shut until fresh ones come.",
	"sent":     "Sent.",
	"revived":  "It runs again.",
}
