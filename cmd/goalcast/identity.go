package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"goalcast"
	"goalcast/hub"
	"goalcast/identity"
	"goalcast/rest"
	"goalcast/store/bus"
)

// identityConfig says who may be known.
type identityConfig struct {
	File string `name:"identity-file" env:"GOALCAST_IDENTITY_FILE" placeholder:"FILE" help:"YAML file of the services that say who viewers, users and administrators are: docs/identity.md. Empty: users are anonymous, administrators have configured tokens."`
}

// check refuses a file that is wrong, before anything starts.
func (c identityConfig) check() error {
	_, err := c.read()
	return err
}

// read reads the file; nil without one.
func (c identityConfig) read() (*identity.Config, error) {
	if c.File == "" {
		return nil, nil
	}
	return readIdentity(c.File)
}

// makeIdentity makes what says who tokens speak for; nil without a file.
func (n *node) makeIdentity() error {
	cfg, err := n.cfg.Identity.read()
	if err != nil {
		return fmt.Errorf("GOALCAST_IDENTITY_FILE: %w", err)
	}
	if cfg != nil {
		n.identity = identity.New(*cfg, rest.Anonymous, n.log, n.reg)
		n.tickets = identity.NewTickets(n.identity, bus.NewTickets(n.redis, n.cfg.RedisPrefix), n.reg)
	}
	return nil
}

// viewers says who viewers are: nil if nobody can be known.
func (n *node) viewers() hub.Identity {
	if n.identity == nil {
		return nil
	}
	return struct {
		*identity.Verifier
		*identity.Tickets
	}{n.identity, n.tickets}
}

// The kinds of issuer.
const (
	kindOIDC          = "oidc"
	kindFirebase      = "firebase"
	kindIntrospection = "introspection"
)

var issuerKinds = []string{kindOIDC, kindFirebase, kindIntrospection}

// firebaseIssuer is the issuer of a Firebase project's ID tokens, whose audience the project is.
const firebaseIssuer = "https://securetoken.google.com/"

// issuerEntry is an entry of issuers. The tag kinds says who may have a field; without it all may.
type issuerEntry struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"`

	Issuer     string   `yaml:"issuer" kinds:"oidc introspection"`
	Audiences  []string `yaml:"audiences" kinds:"oidc introspection"`
	Algorithms []string `yaml:"algorithms" kinds:"oidc"`
	Keys       string   `yaml:"keys_url" kinds:"oidc"`

	Project string `yaml:"project" kinds:"firebase"`

	Introspection string `yaml:"introspection_url" kinds:"introspection"`
	ClientID      string `yaml:"client_id" kinds:"introspection"`
	SecretFile    string `yaml:"client_secret_file" kinds:"introspection"`
	Prefix        string `yaml:"prefix" kinds:"introspection"`

	Roles map[string]grantEntry `yaml:"roles"`
	Odds  grantEntry            `yaml:"odds"`
}

type grantEntry struct {
	Claim  string   `yaml:"claim"`
	Values []string `yaml:"values"`
}

// identityFile reads GOALCAST_IDENTITY_FILE. Its errors name the line.
type identityFile struct {
	path string
	cfg  identity.Config
}

func readIdentity(path string) (*identity.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &identityFile{path: path}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: want issuers", path)
	}
	top := document.Content[0].Content
	for i := 0; i+1 < len(top); i += 2 {
		switch top[i].Value {
		case "issuers":
			if err := f.each(top[i+1], f.issuer); err != nil {
				return nil, err
			}
		default:
			return nil, f.at(top[i], fmt.Errorf("no field %q", top[i].Value))
		}
	}
	if len(f.cfg.Issuers) == 0 {
		return nil, fmt.Errorf("%s: issuers is missing", path)
	}
	return &f.cfg, nil
}

func (f *identityFile) at(node *yaml.Node, err error) error {
	return fmt.Errorf("%s: line %d: %w", f.path, node.Line, err)
}

// each reads the entries of a list.
func (f *identityFile) each(list *yaml.Node, read func(*yaml.Node) error) error {
	if list.Kind != yaml.SequenceNode {
		return f.at(list, errors.New("want a list"))
	}
	for _, entry := range list.Content {
		if err := read(entry); err != nil {
			return err
		}
	}
	return nil
}

// decode reads an entry and refuses fields that it does not have.
func (f *identityFile) decode(node *yaml.Node, into any) error {
	if node.Kind != yaml.MappingNode {
		return f.at(node, errors.New("want an entry, beginning with \"- name:\""))
	}
	if err := known(node, reflect.TypeOf(into).Elem()); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	err := node.Decode(into)
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) && len(wrong.Errors) > 0 { // which says the line itself
		_, text, _ := strings.Cut(wrong.Errors[0], ": ")
		return f.at(lineOf(node, wrong.Errors[0]), errors.New(text))
	}
	if err != nil {
		return f.at(node, err)
	}
	return nil
}

// known finds the first field, at any depth, that a type does not have.
func known(node *yaml.Node, t reflect.Type) error {
	if node.Kind != yaml.MappingNode {
		return nil // the decoder says what is wrong
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if t.Kind() == reflect.Map {
			if err := known(value, t.Elem()); err != nil {
				return err
			}
			continue
		}
		field, ok := fieldOf(t, name.Value)
		if !ok {
			return fmt.Errorf("line %d: no field %q", name.Line, name.Value)
		}
		if k := field.Type.Kind(); k == reflect.Map || k == reflect.Struct {
			if err := known(value, field.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Tag.Get("yaml") == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// nodeOf finds the value of a field, or the entry where it has none.
func nodeOf(entry *yaml.Node, name string) *yaml.Node {
	return cmp.Or(oddsSource{}.node(entry, name), entry)
}

func (f *identityFile) issuer(node *yaml.Node) error {
	var e issuerEntry
	if err := f.decode(node, &e); err != nil {
		return err
	}
	if !slices.Contains(issuerKinds, e.Kind) {
		return f.at(nodeOf(node, "kind"), fmt.Errorf("kind %q: want one of %s", e.Kind,
			strings.Join(issuerKinds, ", ")))
	}
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i]
		field, _ := fieldOf(reflect.TypeFor[issuerEntry](), name.Value)
		if kinds := field.Tag.Get("kinds"); kinds != "" && !slices.Contains(strings.Fields(kinds), e.Kind) {
			return f.at(name, fmt.Errorf("%s: an issuer of kind %s has none", name.Value, e.Kind))
		}
	}
	i, at, err := e.issuer()
	if err == nil {
		err = i.Check()
	}
	if err == nil {
		err = i.Among(f.cfg.Issuers)
	}
	if err != nil {
		return f.at(nodeOf(node, at), err)
	}
	f.cfg.Issuers = append(f.cfg.Issuers, i)
	return nil
}

// issuer makes what package identity wants of an entry; with an error comes the field at fault.
func (e issuerEntry) issuer() (i identity.Issuer, at string, err error) {
	i = identity.Issuer{Name: e.Name, URL: e.Issuer, Audiences: e.Audiences, Algorithms: e.Algorithms, Keys: e.Keys,
		Odds: identity.Grant(e.Odds), Roles: map[goalcast.Role]identity.Grant{}}
	for name, grant := range e.Roles {
		role, ok := goalcast.ParseRole(name)
		if !ok {
			return i, "roles", fmt.Errorf("roles: no role %q: want some of %v", name, goalcast.Roles)
		}
		i.Roles[role] = identity.Grant(grant)
	}
	switch e.Kind {
	case kindFirebase:
		if e.Project == "" {
			return i, "", errors.New("project is missing")
		}
		i.URL, i.Audiences = firebaseIssuer+e.Project, []string{e.Project}
	case kindIntrospection:
		i.Introspection = &identity.Introspection{URL: e.Introspection, ClientID: e.ClientID, Prefix: e.Prefix}
		if e.SecretFile != "" {
			if i.Introspection.Secret, err = readSecret(e.SecretFile); err != nil {
				return i, "client_secret_file", fmt.Errorf("client_secret_file: %w", err)
			}
		}
	}
	return i, "", nil
}
