package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"goalcast"
	"goalcast/notify/partner"
	"goalcast/store"
)

// partnersConfig says who receives events by webhook.
type partnersConfig struct {
	File     string `name:"partners-file" env:"GOALCAST_PARTNERS_FILE" placeholder:"FILE" help:"Partners that are told of events by POST, in YAML (docs/partners.md). The same in all processes with the role notify. Empty: none are."`
	Endpoint string `name:"partners-endpoint" env:"GOALCAST_PARTNERS_ENDPOINT" placeholder:"URL" help:"A server that gets all requests to partners instead: for tests against a fake."`
}

// check reads the file, so that a mistake stops the start.
func (c partnersConfig) check() error {
	if c.File == "" {
		if c.Endpoint != "" {
			return errors.New("not set, though GOALCAST_PARTNERS_ENDPOINT is")
		}
		return nil
	}
	_, err := readPartners(c.File)
	return err
}

// partnerEntry is an entry of GOALCAST_PARTNERS_FILE. A field that ends with files names files that
// hold the values.
type partnerEntry struct {
	Name        string   `yaml:"name"`
	URL         string   `yaml:"url"`
	Secrets     []string `yaml:"secrets"`
	SecretFiles []string `yaml:"secret_files"`
	Topics      []string `yaml:"topics"`
	Kinds       []string `yaml:"kinds"`
}

// allTopics stands in the file for all matches.
const allTopics = "all"

// readPartners reads the file. Its errors name the line, and show no secret.
func readPartners(path string) ([]partner.Partner, error) {
	document, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	if document.Kind != yaml.SequenceNode || len(document.Content) == 0 {
		return nil, fmt.Errorf("%s: want a list of partners, each beginning with \"- name:\"", path)
	}
	if len(document.Content) > partner.MaxPartners {
		return nil, fmt.Errorf("%s: want at most %d partners", path, partner.MaxPartners)
	}
	var list []partner.Partner
	for _, node := range document.Content {
		p, err := readPartner(node)
		if err == nil && slices.ContainsFunc(list, func(o partner.Partner) bool { return o.Name == p.Name }) {
			err = wrongAt(node, fmt.Errorf("name %q is there twice", p.Name))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// readPartner reads one entry.
func readPartner(node *yaml.Node) (p partner.Partner, err error) {
	var entry partnerEntry
	if err := decodeEntry(node, &entry, "a partner"); err != nil {
		return p, err
	}
	p = partner.Partner{Name: entry.Name, URL: entry.URL}
	for _, text := range entry.Secrets {
		secret, err := partner.ReadSecret(text)
		if err != nil {
			return p, wrongAt(nodeOf(node, "secrets"), fmt.Errorf("secrets: %w", err))
		}
		p.Secrets = append(p.Secrets, secret)
	}
	for _, file := range entry.SecretFiles {
		at := nodeOf(node, "secret_files")
		text, err := readSecret(file)
		if err != nil {
			return p, wrongAt(at, fmt.Errorf("secret_files: %w", err))
		}
		secret, err := partner.ReadSecret(text)
		if err != nil {
			return p, wrongAt(at, fmt.Errorf("secret_files: %s: %w", file, err))
		}
		p.Secrets = append(p.Secrets, secret)
	}
	for _, text := range entry.Topics {
		if text == allTopics {
			p.All = true
			continue
		}
		topic, err := goalcast.ParseTopic(text)
		if err != nil {
			return p, wrongAt(nodeOf(node, "topics"), fmt.Errorf("topics: %w, or all", err))
		}
		p.Topics = append(p.Topics, topic)
	}
	for _, kind := range entry.Kinds {
		p.Kinds = append(p.Kinds, goalcast.Kind(kind))
	}
	return p, wrongAt(node, p.Check())
}

// secretsOf are the secrets of partners, by name, as bytes.
func secretsOf(list []partner.Partner) secrets {
	all := secrets{}
	for _, p := range list {
		for _, secret := range p.Secrets {
			all[p.Name] = append(all[p.Name], string(secret))
		}
	}
	return all
}

// readPartnerSecrets reads what of the file may change while goalcast runs.
func readPartnerSecrets(path string) (secrets, error) {
	list, err := readPartners(path)
	return secretsOf(list), err
}

// usePartnerSecrets exchanges them.
func (n *node) usePartnerSecrets(fresh map[string][]string) {
	all := make(map[string][]partner.Secret, len(fresh))
	for name, list := range fresh {
		for _, secret := range list {
			all[name] = append(all[name], partner.Secret(secret))
		}
	}
	n.partners.UseSecrets(all)
}

// makePartners makes what tells partners, if there are any.
func (n *node) makePartners(fault func(point string)) error {
	if n.cfg.Partners.File == "" {
		return nil
	}
	list, err := readPartners(n.cfg.Partners.File)
	if err != nil {
		return fmt.Errorf("GOALCAST_PARTNERS_FILE: %w", err)
	}
	n.partnerSecrets = secretsOf(list)
	n.partners, err = partner.New(partner.Config{Partners: list, Private: n.private,
		Alarm: func(ctx context.Context, firing []goalcast.Alarm) error {
			return n.watch.Settle(ctx, []goalcast.AlarmKind{goalcast.AlarmPartner}, firing)
		},
		Endpoint: n.cfg.Partners.Endpoint, Fault: fault}, n.db, store.NewLeases(n.db, n.log), n.log, n.reg)
	if err != nil {
		return fmt.Errorf("GOALCAST_PARTNERS_FILE: %w", err)
	}
	return nil
}
