package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What the files of entries have in common, GOALCAST_ODDS_SOURCES_FILE and GOALCAST_IDENTITY_FILE:
// each entry has a kind, fields that are not known are refused, and errors name the line.

// readDocument reads a file of one YAML document.
func readDocument(path string) (*yaml.Node, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Content) == 0 {
		return &yaml.Node{}, nil // an empty file
	}
	return file.Content[0], nil
}

// wrongAt says where in its file an error is; nil for none.
func wrongAt(node *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("line %d: %w", node.Line, err)
}

// decodeEntry reads an entry into a struct and refuses what it does not have. In errors an entry is
// called what: "a source".
func decodeEntry(node *yaml.Node, into any, what string) error {
	if node.Kind != yaml.MappingNode {
		return wrongAt(node, fmt.Errorf("want %s, beginning with \"- name:\"", what))
	}
	if err := known(node, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := node.Decode(into); err != nil {
		var wrong *yaml.TypeError
		if errors.As(err, &wrong) && len(wrong.Errors) > 0 { // which says the line itself
			return errors.New(wrong.Errors[0])
		}
		return wrongAt(node, err)
	}
	return nil
}

// readEntry is decodeEntry for entries of several kinds. The struct's tag kinds says entries of
// which kinds have a field; without it all may.
func readEntry(node *yaml.Node, into any, what string, kinds []string) error {
	if err := decodeEntry(node, into, what); err != nil {
		return err
	}
	entry := reflect.TypeOf(into).Elem()
	at := nodeOf(node, "kind")
	kind := at.Value // none for an entry without
	if !slices.Contains(kinds, kind) {
		return wrongAt(at, fmt.Errorf("kind %q: want one of %s", kind, strings.Join(kinds, ", ")))
	}
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i]
		field, _ := fieldOf(entry, name.Value)
		if of := field.Tag.Get("kinds"); of != "" && !slices.Contains(strings.Fields(of), kind) {
			return wrongAt(name, fmt.Errorf("%s: %s of kind %s has none", name.Value, what, kind))
		}
	}
	return nil
}

// known finds the first field, at any depth, that a type does not have.
func known(node *yaml.Node, t reflect.Type) error {
	if node.Kind != yaml.MappingNode || t.Kind() != reflect.Map && t.Kind() != reflect.Struct {
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
			return wrongAt(name, fmt.Errorf("no field %q", name.Value))
		}
		if err := known(value, field.Type); err != nil {
			return err
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
	for i := 0; i+1 < len(entry.Content); i += 2 {
		if entry.Content[i].Value == name {
			return entry.Content[i+1]
		}
	}
	return entry
}

// maxSecretFile is how long a file may be that holds one secret.
const maxSecretFile = 64 << 10

// readSecret reads a file that holds a secret and nothing else.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" || len(secret) > maxSecretFile || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s does not hold one line", path)
	}
	return secret, nil
}
