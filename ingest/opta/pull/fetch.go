package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// answer is a list as it came.
type answer struct {
	body           []byte
	headers        map[string]string // that are kept with it
	etag, modified string
}

// fetch makes one request. With outcomeUnchanged there is no answer; "" is the outcome of a
// list that is to be taken.
func (p *Puller) fetch(ctx context.Context, t Target, known taken) (a answer, outcome string, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	request, err := p.request(ctx, t, known)
	if err != nil {
		return a, outcomeUnreachable, err
	}
	response, err := p.http.Do(request)
	if err != nil {
		return a, broken(err), err
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusNotModified && known.document != 0:
		return a, outcomeUnchanged, nil
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return a, outcomeDenied, fmt.Errorf("status %d: the user may not have this list, or the password is wrong",
			code)
	case code != http.StatusOK:
		return a, outcomeStatus, fmt.Errorf("status %d", code)
	}
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, p.cfg.MaxBody+1)); err != nil {
		return a, broken(err), fmt.Errorf("after %d bytes: %w", len(a.body), err)
	}
	if int64(len(a.body)) > p.cfg.MaxBody {
		return a, outcomeTooLarge, fmt.Errorf("more than %d bytes", p.cfg.MaxBody)
	}
	if err := p.check(t, a.body); err != nil {
		return a, outcomeNoDocument, err
	}
	a.etag, a.modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	a.headers = map[string]string{"x-goalcast-pulled": t.String()}
	for _, name := range []string{"Content-Type", "Last-Modified"} {
		if value := response.Header.Get(name); value != "" {
			a.headers[strings.ToLower(name)] = value
		}
	}
	return a, "", nil
}

// request asks for the list, or for word that it is still the one known. There is no parameter
// "json": clients who want JSON only add its name, so that a value that means no is not to be
// relied on; XML comes without.
func (p *Puller) request(ctx context.Context, t Target, known taken) (*http.Request, error) {
	query := url.Values{
		"feed_type": {strings.ToLower(t.Feed)}, "competition": {strconv.Itoa(int(t.Competition))},
		"season_id": {strconv.Itoa(t.Season)},
		"user":      {p.cfg.User}, "psw": {p.cfg.Password},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.URL+"/competition.php?"+query.Encode(), nil)
	if err != nil {
		return nil, errors.New("the address of Opta's lists is none")
	}
	r.Header.Set("Accept", "text/xml, application/xml")
	r.Header.Set("User-Agent", "goalcast")
	if known.etag != "" {
		r.Header.Set("If-None-Match", known.etag)
	}
	if known.modified != "" {
		r.Header.Set("If-Modified-Since", known.modified)
	}
	return r, nil
}

// check says why a body is not the list asked for: services answer 200 with an error page, or with
// an error in XML. Nothing of the body is in the error: such a page may repeat the address, and
// with it the password.
func (p *Puller) check(t Target, body []byte) error {
	feed, _ := p.reader.Describe(nil, body)
	switch {
	case feed == "":
		return fmt.Errorf("not a list: %d bytes, which look like %s", len(body), http.DetectContentType(body))
	case feed != t.Feed:
		return fmt.Errorf("a list of %s", feed)
	case !bytes.Contains(body, []byte("</SoccerFeed")): // the root of all lists that can be pulled
		return fmt.Errorf("half a list: %d bytes, and no end", len(body))
	}
	return nil
}

// broken tells apart why an answer did not come, or not whole.
func broken(err error) string {
	var timed net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout() {
		return outcomeTimeout
	}
	return outcomeUnreachable
}

var credential = regexp.MustCompile(`(user|psw)=[^&\s"]*`)

// without makes an error that shows no credentials. A url.Error shows the whole address; and what
// is not HTTP is quoted in the error, whatever it repeats.
func (p *Puller) without(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	text := credential.ReplaceAllString(err.Error(), "$1=...")
	for _, secret := range []string{p.cfg.Password, url.QueryEscape(p.cfg.Password), url.PathEscape(p.cfg.Password)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "...")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
