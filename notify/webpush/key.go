package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"

	vapid "github.com/SherClockHolmes/webpush-go"

	"goalcast"
)

// Key is the pair of keys by which browsers and their push services know us (VAPID, RFC 8292). A
// subscription takes pushes of the one that it was made with, and of no other.
type Key struct {
	private string // a secret
	public  string
}

// NewKey makes a key and returns the text that ReadKey takes; a secret.
func NewKey() (string, error) {
	private, _, err := vapid.GenerateVAPIDKeys()
	return private, err
}

// ReadKey reads a private key: 32 bytes in base64url, as tools for VAPID write it. No error shows
// any of it.
func ReadKey(text string) (Key, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Key{}, errors.New("the key is not base64url without padding")
	}
	private, err := ecdh.P256().NewPrivateKey(raw)
	if err != nil {
		return Key{}, errors.New("the key is not a P-256 key of 32 bytes")
	}
	return Key{private: text, public: base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes())}, nil
}

// Public is what a page gives PushManager.subscribe as applicationServerKey: 65 bytes in base64url.
func (k Key) Public() string { return k.public }

// authBytes is how long the secret of a subscription is.
const authBytes = 16

// CheckKeys says whether the keys of a subscription can be what a browser made.
func CheckKeys(s goalcast.Subscription) error {
	public, err := base64.RawURLEncoding.DecodeString(s.Key)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(public)
	}
	if err != nil {
		return errors.New("p256dh: want a point of P-256, 65 bytes in base64url")
	}
	if auth, err := base64.RawURLEncoding.DecodeString(s.Auth); err != nil || len(auth) != authBytes {
		return fmt.Errorf("auth: want %d bytes in base64url", authBytes)
	}
	return nil
}
