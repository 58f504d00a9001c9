// Package seal keeps short secrets of others, such as the tokens of phones, so that whoever gets
// hold of the database learns none of them: encrypted, and found again by a keyed hash.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// KeySize is how many bytes a key has.
const KeySize = 32

var keyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// Keys are one or more keys by name: the first seals, all open. So a key is exchanged by putting a
// new one in front, and taken away when nothing is sealed with it any more. Their methods may be
// called by many goroutines.
type Keys struct{ list []key }

type key struct {
	name   string
	aead   cipher.AEAD
	lookup []byte // of the keyed hash
}

// Parse reads NAME=KEY pairs between commas or on lines of their own; KEY is 32 random bytes in
// base64, as `openssl rand -base64 32` prints them. No error shows a key.
func Parse(text string) (*Keys, error) {
	k := &Keys{}
	for pair := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(",\r\n", r) }) {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		raw, err := base64.StdEncoding.DecodeString(value)
		switch {
		case !keyName.MatchString(name):
			return nil, errors.New("want NAME=KEY pairs; a name has at most 40 letters, digits, - . or _")
		case err != nil || len(raw) != KeySize:
			return nil, fmt.Errorf("the key %q is not %d bytes in base64 (openssl rand -base64 %d)", name, KeySize,
				KeySize)
		case k.has(name):
			return nil, fmt.Errorf("the key %q stands there twice", name)
		}
		made, err := makeKey(name, raw)
		if err != nil {
			return nil, err
		}
		k.list = append(k.list, made)
	}
	if len(k.list) == 0 {
		return nil, errors.New("no key")
	}
	return k, nil
}

// makeKey makes what is used of a key: no two uses share bytes.
func makeKey(name string, raw []byte) (key, error) {
	encryption, err := hkdf.Key(sha256.New, raw, nil, "goalcast seal: encryption", KeySize)
	if err != nil {
		return key{}, err
	}
	lookup, err := hkdf.Key(sha256.New, raw, nil, "goalcast seal: lookup", KeySize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(encryption)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{name: name, aead: aead, lookup: lookup}, err
}

func (k *Keys) has(name string) bool {
	_, ok := k.find(name)
	return ok
}

func (k *Keys) find(name string) (key, bool) {
	for _, one := range k.list {
		if one.name == name {
			return one, true
		}
	}
	return key{}, false
}

// Current is the name of the key that seals.
func (k *Keys) Current() string { return k.list[0].name }

// Names are the names of all keys, the one that seals first.
func (k *Keys) Names() []string {
	names := make([]string, len(k.list))
	for i, one := range k.list {
		names[i] = one.name
	}
	return names
}

// Seal encrypts a secret with the current key; twice gives two texts.
func (k *Keys) Seal(secret string) []byte { return k.list[0].aead.Seal(nil, nil, []byte(secret), nil) }

// Open decrypts what the named key sealed. It fails if there is no such key, or if something
// changed it.
func (k *Keys) Open(name string, sealed []byte) (string, error) {
	one, ok := k.find(name)
	if !ok {
		return "", fmt.Errorf("sealed with the key %q, which is not there", name)
	}
	secret, err := one.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return "", fmt.Errorf("sealed with the key %q, and cannot be opened", name)
	}
	return string(secret), nil
}

// Lookup are the hashes under which a secret may be found, by each key, the current one's first.
// Who has no key can neither make one from a secret nor tell whether a secret he knows is there.
func (k *Keys) Lookup(secret string) []string {
	out := make([]string, len(k.list))
	for i, one := range k.list {
		mac := hmac.New(sha256.New, one.lookup)
		mac.Write([]byte(secret))
		out[i] = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	return out
}
