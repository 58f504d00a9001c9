package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
		n.private = cfg.PrivateCompetitions()
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

// revoked says whose tickets were revoked; nil if nobody has any.
func (n *node) revoked() func(context.Context) (map[goalcast.UserID]int64, error) {
	if n.tickets == nil {
		return nil
	}
	return n.tickets.Revoked
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

	Roles   map[string]grantEntry `yaml:"roles"`
	Odds    grantEntry            `yaml:"odds"`
	Private map[string]grantEntry `yaml:"private"` // by the group's name
}

type grantEntry struct {
	Claim  string   `yaml:"claim"`
	Values []string `yaml:"values"`
}

// readIdentity reads GOALCAST_IDENTITY_FILE. Its errors name the line.
func readIdentity(path string) (*identity.Config, error) {
	document, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	cfg, err := issuers(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

func issuers(document *yaml.Node) (*identity.Config, error) {
	if document.Kind != yaml.MappingNode {
		return nil, errors.New("want issuers")
	}
	cfg := &identity.Config{}
	for i := 0; i+1 < len(document.Content); i += 2 {
		name, list := document.Content[i], document.Content[i+1]
		var read func(*yaml.Node) error
		switch name.Value {
		case "issuers":
			read = func(node *yaml.Node) error {
				issuer, err := readIssuer(node, cfg.Issuers)
				cfg.Issuers = append(cfg.Issuers, issuer)
				return err
			}
		case "private":
			read = func(node *yaml.Node) error {
				group, err := readGroup(node, cfg.Private)
				cfg.Private = append(cfg.Private, group)
				return err
			}
		default:
			return nil, wrongAt(name, fmt.Errorf("no field %q", name.Value))
		}
		if list.Kind != yaml.SequenceNode {
			return nil, wrongAt(list, errors.New("want a list"))
		}
		for _, node := range list.Content {
			if err := read(node); err != nil {
				return nil, err
			}
		}
	}
	if len(cfg.Issuers) == 0 {
		return nil, errors.New("issuers is missing")
	}
	for _, i := range cfg.Issuers {
		for name := range i.Private {
			if !slices.ContainsFunc(cfg.Private, func(g identity.Group) bool { return g.Name == name }) {
				return nil, fmt.Errorf("issuer %s: private: there is no group %q", i.Name, name)
			}
		}
	}
	return cfg, nil
}

// groupEntry is an entry of private.
type groupEntry struct {
	Name         string                   `yaml:"name"`
	Competitions []goalcast.CompetitionID `yaml:"competitions"`
}

// readGroup reads one group of private competitions, which stands beside those before it.
func readGroup(node *yaml.Node, before []identity.Group) (identity.Group, error) {
	var e groupEntry
	if err := decodeEntry(node, &e, "a group"); err != nil {
		return identity.Group{}, err
	}
	g := identity.Group(e)
	return g, wrongAt(node, g.Among(before))
}

// readIssuer reads one entry, which stands beside those before it.
func readIssuer(node *yaml.Node, before []identity.Issuer) (identity.Issuer, error) {
	var e issuerEntry
	if err := readEntry(node, &e, "an issuer", issuerKinds); err != nil {
		return identity.Issuer{}, err
	}
	i, at, err := e.issuer()
	if err == nil {
		err = cmp.Or(i.Check(), i.Among(before))
	}
	return i, wrongAt(nodeOf(node, at), err)
}

// issuer makes what package identity wants of an entry; with an error comes the field at fault.
func (e issuerEntry) issuer() (i identity.Issuer, at string, err error) {
	i = identity.Issuer{Name: e.Name, URL: e.Issuer, Audiences: e.Audiences, Algorithms: e.Algorithms, Keys: e.Keys,
		Odds: identity.Grant(e.Odds), Roles: map[goalcast.Role]identity.Grant{},
		Private: map[string]identity.Grant{}}
	for name, grant := range e.Private {
		i.Private[name] = identity.Grant(grant)
	}
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
