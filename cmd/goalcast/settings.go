package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"goalcast/edge"
	"goalcast/hub"
	"goalcast/ingest"
	"goalcast/ingest/odds"
	"goalcast/ingest/opta/pull"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove"
	"goalcast/watch"
)

// A setting is one field of commands: variable, default, range and help are its tags, and the tag
// `format` says what a text must look like. Rules between settings are in the Validate methods.

// usePackageDefaults replaces ${PACKAGE_Field} in the tag `default` by the default of the package
// that uses the setting, so that each stands once, next to the field it is of. It does this itself:
// kong would evaluate every variable for every flag, which takes it longer than all the rest of a
// start.
func usePackageDefaults(k *kong.Kong) error {
	defaults := packageDefaults()
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		flag, ok := node.(*kong.Flag)
		if !ok {
			return next(nil)
		}
		name, ok := strings.CutPrefix(flag.Default, "${")
		if !ok {
			return next(nil)
		}
		value, ok := defaults[strings.TrimSuffix(name, "}")]
		if !ok {
			return fmt.Errorf("--%s: no package has the default %s", flag.Name, flag.Default)
		}
		flag.Default = value
		return next(nil)
	})
}

// packageDefaults are the defaults of the packages that use the settings, by PACKAGE_Field.
func packageDefaults() map[string]string {
	defaults := map[string]string{}
	for name, cfg := range map[string]any{
		"hub": hub.Config{}.WithDefaults(), "ingest": ingest.Config{}.WithDefaults(),
		"watch": watch.Config{}.WithDefaults(), "edge": edge.Config{}.WithDefaults(),
		"pull": pull.Config{}.WithDefaults(), "wsc": wsc.Config{}.WithDefaults(),
		"wscpull":    wsc.PullConfig{}.WithDefaults(),
		"brightcove": brightcove.Config{}.WithDefaults(),
		"odds":       odds.RunnerConfig{}.WithDefaults(),
	} {
		for field, value := range reflect.ValueOf(cfg).Fields() {
			if field.IsExported() {
				defaults[name+"_"+field.Name] = shortDuration.Replace(fmt.Sprint(value.Interface()))
			}
		}
	}
	return defaults
}

// shortDuration writes 5m for 5m0s.
var shortDuration = strings.NewReplacer("h0m0s", "h", "m0s", "m")

// formats are what texts in settings must look like. Their errors never show
// what may hold a password.
var formats = map[string]func(text string) error{
	"host-port":    hostPort,
	"database-url": databaseURL,
	"replica-url":  replicaURL,
	"redis-url":    redisURL,
	"service-url":  serviceURL,
	"webhook-url":  webhookURL,
	"prefix":       keyPrefix,
	"zone":         zone,
	"country":      country,
	"origin":       wholeOrigin,
	"clip-origin":  clipOrigin,
	"player-url":   playerURL,
}

// checkSettings checks each setting of the chosen command by itself.
func checkSettings(ctx *kong.Context) error {
	for _, flag := range ctx.Flags() {
		if err := cmp.Or(checkFormat(flag), checkRange(flag)); err != nil {
			return fmt.Errorf("%s: %w", append(flag.Envs, "--"+flag.Name)[0], err)
		}
	}
	return nil
}

func checkFormat(flag *kong.Flag) error {
	check, ok := formats[flag.Tag.Get("format")]
	if !ok {
		return nil
	}
	if flag.Target.Kind() == reflect.String {
		return check(flag.Target.String())
	}
	for _, text := range flag.Target.Seq2() {
		if err := check(text.String()); err != nil {
			return err
		}
	}
	return nil
}

// checkRange checks a value against the tag `range`: 1..600, 1.., >0..1. Limits are written as the
// setting's values are.
func checkRange(flag *kong.Flag) error {
	limits := flag.Tag.Get("range")
	if limits == "" {
		return nil
	}
	low, high, _ := strings.Cut(limits, "..")
	value := flag.Target
	if compare(value, strings.TrimPrefix(low, ">")) > below(low) && (high == "" || compare(value, high) <= 0) {
		return nil
	}
	return fmt.Errorf("%v is out of range: want %s", value.Interface(), rangeText(limits))
}

// below is what a comparison with a lower limit must exceed: 0 where the limit
// itself is out of range.
func below(low string) int {
	if strings.HasPrefix(low, ">") {
		return 0
	}
	return -1
}

// compare compares a setting's value with a limit; what is no number is below all.
func compare(value reflect.Value, limit string) int {
	var difference float64
	switch v := value.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(limit)
		if err != nil {
			panic("range: " + err.Error()) // a mistake in a tag, found by the first test
		}
		difference = float64(v - d)
	default:
		n, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			panic("range: " + err.Error())
		}
		difference = number(value) - n
	}
	switch {
	case difference > 0:
		return 1
	case difference == 0:
		return 0
	}
	return -1
}

func number(value reflect.Value) float64 {
	if value.CanInt() {
		return float64(value.Int())
	}
	return value.Float()
}

// rangeText says a range in words.
func rangeText(limits string) string {
	low, high, _ := strings.Cut(limits, "..")
	from, open := strings.CutPrefix(low, ">")
	switch {
	case open && high == "":
		return "more than " + from
	case open:
		return "more than " + from + ", at most " + high
	case high == "":
		return "at least " + from
	}
	return from + " to " + high
}

func hostPort(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return fmt.Errorf("%q is not HOST:PORT", text)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q: no such port", text)
	}
	return nil
}

func databaseURL(text string) error { return oneOfSchemes(text, "sqlite", "postgres", "postgresql") }

func replicaURL(text string) error { return oneOfSchemes(text, "postgres", "postgresql") }

func redisURL(text string) error {
	if text == "embedded" {
		return nil
	}
	if err := oneOfSchemes(text, "redis", "rediss", "redis+sentinel", "redis+cluster"); err != nil {
		return fmt.Errorf("%w (or the word embedded)", err)
	}
	return nil
}

func oneOfSchemes(text string, schemes ...string) error {
	if scheme, _, ok := strings.Cut(text, ":"); ok && slices.Contains(schemes, scheme) {
		if scheme == "sqlite" {
			return nil
		}
		if _, err := url.Parse(text); err != nil {
			return errors.New("not a URL") // url.Error would show it
		}
		return nil
	}
	return fmt.Errorf("want one of %s", strings.Join(schemes, ":, ")+":")
}

// serviceURL checks the address of a service, to which paths are added; empty is none. Keys and
// tokens travel there, so it has to be https, but for a service on this machine.
func serviceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errors.New("want a URL without user, query and fragment")
	case u.Scheme == "http" && !thisMachine(u.Hostname()):
		return errors.New("want an https URL: http is for this machine only")
	}
	return nil
}

// pageOrigin is what may stand in a page's Content-Security-Policy.
var pageOrigin = regexp.MustCompile(`^https://[a-z0-9.-]+(:[0-9]{1,5})?$`)

// clipOrigin checks where clips come from.
func clipOrigin(origin string) error {
	if !pageOrigin.MatchString(origin) {
		return fmt.Errorf("%q is not like https://clips.example.org: in lower case, without a path", origin)
	}
	return nil
}

// playerURL checks the page of a video player, with {account} and {video} in it; empty is none.
func playerURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || !pageOrigin.MatchString(u.Scheme+"://"+u.Host) || !strings.Contains(text, "{video}") {
		return errors.New("want an address like https://players.example.org/{account}/index.html?videoId={video}")
	}
	return nil
}

// webhookURL checks an address that is called as it is, query and all; empty is none.
func webhookURL(text string) error {
	if text == "" {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("want an http or https URL")
	}
	return nil
}

// thisMachine says whether a host's name or address cannot lead elsewhere.
func thisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}

func keyPrefix(text string) error {
	if len(text) < 1 || len(text) > 40 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("%.60q: want 1 to 40 of a-z, 0-9, - and _", text)
	}
	return nil
}

func zone(text string) error {
	if _, err := time.LoadLocation(text); err != nil {
		return fmt.Errorf("no time zone %.60q: want one as Europe/Brussels", text)
	}
	return nil
}

var countryCode = regexp.MustCompile(`^([A-Z]{2})?$`)

// country checks that a country is written as the rights of clips write it.
func country(text string) error {
	if !countryCode.MatchString(text) {
		return fmt.Errorf("%.10q is no country: want two letters like BE", text)
	}
	return nil
}

// wholeOrigin checks that an origin is written as browsers send it: any other would never be met.
func wholeOrigin(origin string) error {
	scheme, host, ok := strings.Cut(origin, "://")
	if origin != "null" && (!ok || scheme == "" || strings.ContainsAny(host, "/*?#@") ||
		origin != strings.ToLower(origin)) {
		return fmt.Errorf("%q is no origin: want https://www.example.org, capacitor://localhost or null, in lower "+
			"case and without a path", origin)
	}
	return nil
}
