package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Patience is how long a service may take to answer.
const Patience = 5 * time.Second

// Clocks that differ by more are told of. Tokens are checked with 30 s of grace; whistle to glass
// is measured in tenths of a second.
const (
	skewToTell   = time.Second
	skewToRefuse = 30 * time.Second
)

// Reach says whether a service can be reached: over http and https by a HEAD of its root, for which
// any answer will do, and else by a connection. Nothing of the address but scheme and host is sent
// or shown: the rest may hold a secret. The second finding compares clocks; it is missing where the
// service says no time.
func Reach(ctx context.Context, client *http.Client, setting, address string) []Finding {
	f := Finding{Check: setting, Status: Fail}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		f.Found = "not an address"
		return []Finding{f}
	}
	scheme := map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	if scheme == "" {
		scheme = u.Scheme
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if scheme != "http" && scheme != "https" {
		return []Finding{connect(ctx, f, scheme, u)}
	}
	root := (&url.URL{Scheme: scheme, Host: u.Host, Path: "/"}).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, root, nil)
	if err != nil {
		f.Found = "not an address"
		return []Finding{f}
	}
	began := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		return []Finding{unreached(f, root, err)}
	}
	took := time.Since(began)
	_ = answer.Body.Close()
	f.Status, f.Found = OK, fmt.Sprintf("%s answers in %v", root, took.Round(time.Millisecond))
	findings := []Finding{f}
	if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		// The header has whole seconds: half of one is the least that it is wrong by.
		skew := at.Add(500 * time.Millisecond).Sub(began.Add(took / 2))
		if clock := Clock(root, skew); clock.Status != OK {
			findings = append(findings, clock)
		}
	}
	return findings
}

func unreached(f Finding, root string, err error) Finding {
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // which has the address once more
		err = wrapped.Err
	}
	f.Found = fmt.Sprintf("%s is not reached: %v", root, err)
	f.Do = "look at the address, the firewall, the proxy (HTTPS_PROXY) and the authorities of certificates"
	return f
}

// The ports of schemes that are not HTTP's.
var ports = map[string]string{"amqp": "5672", "amqps": "5671", "tls": "443"}

func connect(ctx context.Context, f Finding, scheme string, u *url.URL) Finding {
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), ports[scheme])
	}
	began := time.Now()
	var conn net.Conn
	var err error
	if scheme == "amqps" || scheme == "tls" {
		conn, err = (&tls.Dialer{}).DialContext(ctx, "tcp", host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	if err != nil {
		return unreached(f, host, err)
	}
	_ = conn.Close()
	f.Status, f.Found = OK, fmt.Sprintf("%s takes connections, in %v", host, time.Since(began).Round(time.Millisecond))
	return f
}

// Clock says how far another clock is from this one; ahead is by how much.
func Clock(whose string, ahead time.Duration) Finding {
	f := Finding{Check: "clock", Status: OK, Found: fmt.Sprintf("within %v of that of %s", skewToTell, whose)}
	if ahead.Abs() <= skewToTell {
		return f
	}
	f.Status = Warn
	if ahead.Abs() >= skewToRefuse {
		f.Status = Fail
	}
	word := "behind"
	if ahead < 0 {
		word, ahead = "ahead of", -ahead
	}
	f.Found = fmt.Sprintf("this machine's is %v %s that of %s", ahead.Round(100*time.Millisecond), word, whose)
	f.Do = "timedatectl set-ntp true, on the machine that is wrong"
	return f
}
