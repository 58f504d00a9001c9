package webpush

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// DefaultHosts are the push services of Chrome and those made from it, of Firefox, Safari and Edge.
var DefaultHosts = Hosts{"fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com",
	"*.notify.windows.com"}

// Hosts are the push services that are sent to, by the names of their hosts. "*.push.apple.com" is
// all below push.apple.com, and not push.apple.com itself.
type Hosts []string

// MaxEndpoint is how long the URL of a subscription may be; those of Windows have some 400 bytes,
// others half of that.
const MaxEndpoint = 2048

var (
	// hostText has no addresses: the last part of those is a number.
	hostText = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
	urlText  = regexp.MustCompile(`^[!-~]+$`)
)

// Validate says what is wrong with the list.
func (h Hosts) Validate() error {
	if len(h) == 0 {
		return errors.New("no host: want the names of push services")
	}
	for _, name := range h {
		if !hostText.MatchString(name) || strings.Count(name, ".") < 2 && strings.HasPrefix(name, "*.") {
			return fmt.Errorf("%q: want the name of a host in small letters, or one with *. for its first part", name)
		}
	}
	return nil
}

// errEndpoint is what is wrong with an endpoint; it does not name it, since it is a secret.
var errEndpoint = errors.New("want an https URL of a browser's push service that is in GOALCAST_WEBPUSH_HOSTS")

// Check says whether an endpoint is a URL that may be sent to: with https, no other port, and of a
// host in the list.
func (h Hosts) Check(endpoint string) error {
	if h.of(endpoint) == "" {
		return errEndpoint
	}
	return nil
}

// of is the entry of the list that an endpoint belongs to; "" for none.
func (h Hosts) of(endpoint string) string {
	if len(endpoint) > MaxEndpoint || !urlText.MatchString(endpoint) || strings.Contains(endpoint, "#") {
		return ""
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Port() != "" && u.Port() != "443" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for _, name := range h {
		below, wild := strings.CutPrefix(name, "*")
		under := wild && len(host) > len(below) && strings.HasSuffix(host, below) && hostText.MatchString(host)
		if host == name || under {
			return name
		}
	}
	return ""
}
