package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// minSecret is how many characters a secret has at least.
const minSecret = 16

// adminRoles are the roles in GOALCAST_ADMIN_TOKENS.
var adminRoles = []string{"editor", "operator", "admin"}

// secrets are what NAME=SECRET,NAME=SECRET says. A name that stands there twice has two, so that
// one can be exchanged for another without a gap.
type secrets map[string][]string

// Decode is called by kong. Its errors never show a secret.
func (s *secrets) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("NAME=SECRET", &text); err != nil {
		return errors.New("want NAME=SECRET pairs between commas")
	}
	read, err := parseSecrets(text)
	if err != nil {
		return err
	}
	if *s == nil {
		*s = secrets{}
	}
	for name, list := range read {
		(*s)[name] = append((*s)[name], list...)
	}
	return nil
}

// parseSecrets reads NAME=SECRET pairs that stand between commas or on lines of their own.
func parseSecrets(text string) (secrets, error) {
	s := secrets{}
	for pair := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		name, secret, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			return nil, errors.New("want NAME=SECRET pairs between commas")
		}
		s[name] = append(s[name], secret)
	}
	return s, nil
}

// tokenName is what may follow a role: the name of whose token it is, for the audit.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// check says what is wrong with secrets; names are the roles that there are, if it matters.
func (s secrets) check(names []string) error {
	for name, list := range s {
		role, whose, named := strings.Cut(name, ":")
		if names != nil && !slices.Contains(names, role) {
			return fmt.Errorf("no role %q: want %s", role, strings.Join(names, ", "))
		}
		if names != nil && named && !tokenName.MatchString(whose) {
			return fmt.Errorf("the name in %q: want at most 40 letters, digits, - . or _", name)
		}
		if slices.ContainsFunc(list, func(secret string) bool { return len(secret) < minSecret }) {
			return fmt.Errorf("the secret of %q has fewer than %d characters", name, minSecret)
		}
	}
	return nil
}

// openFeeds says why feeds may not be open, or nil.
func (c *serving) openFeeds() error {
	switch {
	case !c.FeedsOpen:
	case !loopback(c.Listen):
		return errors.New("only where GOALCAST_LISTEN is an address of this machine alone, as 127.0.0.1:8080; set " +
			"GOALCAST_FEED_SECRETS instead")
	case len(c.Proxies) > 0:
		return errors.New("not behind a proxy (GOALCAST_TRUSTED_PROXIES): everybody would come from this machine; " +
			"set GOALCAST_FEED_SECRETS instead")
	}
	return nil
}

// loopback says whether only this machine reaches the address.
func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// exposed are the names of secret flags whose values stand on the command line, where every user of
// the machine can read them. A URL is one if it holds a password.
func exposed(ctx *kong.Context) []string {
	var names []string
	for _, step := range ctx.Path {
		f := step.Flag
		if f == nil || step.Resolved || !f.Tag.Has("secret") {
			continue
		}
		if f.PlaceHolder == "URL" && f.Target.Kind() == reflect.String && !strings.ContainsAny(f.Target.String(),
			"@?") {
			continue
		}
		names = append(names, "--"+f.Name)
	}
	return names
}

// secretChecks is how often the files of secrets and of the certificate are looked at.
const secretChecks = 10 * time.Second

// secretFiles reads secrets again from their files, when they change or when asked
// to, and hands them on.
type secretFiles struct {
	files []*secretsFile
	reads *prometheus.CounterVec
	n     *node
}

// secretsFile is one of them.
type secretsFile struct {
	variable string // its setting
	path     string
	now      secrets
	failed   string // the last error that was logged
	read     func(path string) (secrets, error)
	use      func(map[string][]string)
}

// watchSecrets finds the files; no part of the node has to run yet.
func (n *node) watchSecrets() *secretFiles {
	s := &secretFiles{n: n, reads: promauto.With(n.reg).NewCounterVec(prometheus.CounterOpts{
		Name: "goalcast_secrets_read_total",
		Help: "Times that a file of secrets had changed and was read again, by setting and result: used, or refused " +
			"(those before stay)."}, []string{"setting", "result"})}
	add := func(f secretsFile) {
		if f.path == "" {
			return
		}
		s.files = append(s.files, &f)
		for _, result := range []string{"used", "refused"} {
			s.reads.WithLabelValues(f.variable, result)
		}
	}
	if n.ingest != nil || n.oddsGuard != nil || n.canaryMatch != nil {
		add(pairsFile("GOALCAST_FEED_SECRETS", n.cfg.FeedSecrets, nil, n.useFeedSecrets))
	}
	if n.edges != nil {
		add(pairsFile("GOALCAST_EDGE_SECRETS", n.cfg.Edges.Secrets, nil,
			func(fresh map[string][]string) { n.edges.UseSecrets(fresh) }))
	}
	if n.rest != nil {
		add(pairsFile("GOALCAST_ADMIN_TOKENS", n.cfg.AdminTokens, adminRoles, n.rest.UseAdminTokens))
	}
	if n.partners != nil {
		add(secretsFile{variable: "GOALCAST_PARTNERS_FILE", path: n.cfg.Partners.File, now: n.partnerSecrets,
			read: readPartnerSecrets, use: n.usePartnerSecrets})
	}
	return s
}

// pairsFile is the file of a setting that holds NAME=SECRET pairs; names are those that there are,
// if it matters. Without a path there is none.
func pairsFile(variable string, now secrets, names []string, use func(map[string][]string)) secretsFile {
	return secretsFile{variable: variable, path: os.Getenv(variable + "_FILE"), now: now, use: use,
		read: func(path string) (secrets, error) { return readPairs(path, names) }}
}

// useFeedSecrets exchanges the secrets of all feeds.
func (n *node) useFeedSecrets(fresh map[string][]string) {
	if n.ingest != nil {
		n.ingest.UseSecrets(fresh)
	}
	if n.oddsGuard != nil {
		n.oddsGuard.UseSecrets(fresh)
	}
	if n.canaryMatch != nil {
		n.canaryMatch.UseSecrets(fresh)
	}
}

// run looks at the files now and then, and whenever there is something on asked, until ctx ends.
func (s *secretFiles) run(ctx context.Context, asked <-chan os.Signal) error {
	ticker := time.NewTicker(secretChecks)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-asked:
			s.n.log.Info("SIGHUP: files of secrets are read again", "files", len(s.files))
		}
		for _, f := range s.files {
			s.read(f)
		}
		if s.n.certificate != nil {
			s.n.certificate.look()
		}
	}
}

func (s *secretFiles) read(f *secretsFile) {
	fresh, err := f.read(f.path)
	switch {
	case err != nil && err.Error() != f.failed:
		f.failed = err.Error()
		s.reads.WithLabelValues(f.variable, "refused").Inc()
		s.n.log.Error("secrets not read again, those before stay", "setting", f.variable, "path", f.path, "error", err)
	case err == nil && !maps.EqualFunc(fresh, f.now, slices.Equal[[]string]):
		f.now, f.failed = fresh, ""
		f.use(fresh)
		s.reads.WithLabelValues(f.variable, "used").Inc()
		s.n.log.Info("secrets read again", "setting", f.variable, "names", slices.Sorted(maps.Keys(fresh)))
	case err == nil:
		f.failed = ""
	}
}

// readPairs reads such a file. One without secrets is half written, or a mistake.
func readPairs(path string, names []string) (secrets, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fresh, err := parseSecrets(string(text))
	if err == nil {
		err = fresh.check(names)
	}
	if err == nil && len(fresh) == 0 {
		err = errors.New("the file is empty")
	}
	return fresh, err
}
