package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"goalcast"
)

// loginPage is the body of the login page.
type loginPage struct {
	Next  string
	Ended bool
}

func (c *Console) getLogin(w http.ResponseWriter, r *http.Request) {
	c.showLogin(w, r, http.StatusOK, nil, r.URL.Query().Get("next"))
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request, status int, p *apiError, next string) {
	v := c.view(w, r)
	v.Template, v.Title, v.Problem = "login.html", "Log in", p
	v.Body = loginPage{Next: local(next), Ended: r.URL.Query().Get("ended") != ""}
	c.render(w, status, v)
}

// local is a path of ours, or empty: nobody is sent elsewhere.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, Path) || strings.Contains(next, `\`) {
		return ""
	}
	return next
}

// postLogin exchanges a token for a session: if the API takes it.
func (c *Console) postLogin(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.fail(w, r, nil, badForm)
		return
	}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	next := r.PostForm.Get("next")
	v := c.view(w, r)
	v.session.Token = token
	var me struct {
		Role, User string
		Expires    time.Time
	}
	if p := v.part("/admin/me", &me); p != nil {
		c.log.Info("login at the operator's page refused", "code", p.Code, "request", p.RequestID)
		if p.Retry != "" {
			w.Header().Set("Retry-After", p.Retry)
		}
		c.showLogin(w, r, p.Status, p, next)
		return
	}
	role, _ := goalcast.ParseRole(me.Role)
	one := session{Token: token, Role: role, User: me.User, Ends: c.cfg.Now().Add(sessionLife)}
	if !me.Expires.IsZero() && me.Expires.Before(one.Ends) {
		one.Ends = me.Expires
	}
	if old := cookieOf(r); old != nil { // a new login ends the session before
		c.sessions.end(r.Context(), old)
	}
	setCookie(w, r, c.sessions.begin(r.Context(), one), one.Ends.Sub(c.cfg.Now()))
	if next = local(next); next == "" {
		next = Path
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (c *Console) postLogout(w http.ResponseWriter, r *http.Request) {
	if cookie := cookieOf(r); cookie != nil {
		c.sessions.end(r.Context(), cookie)
	}
	setCookie(w, r, nil, 0)
	http.Redirect(w, r, Path+"login", http.StatusSeeOther)
}
