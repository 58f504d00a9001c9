//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an identity service in this process with one user, who may see the matches of a private
// competition.
type issuer struct {
	file   string // for GOALCAST_IDENTITY_FILE
	token  string
	server *http.Server
}

// startIssuer makes an issuer whose token is good for an hour.
func (b *bench) startIssuer() (*issuer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	url := "http://" + l.Addr().String()
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "1", Use: "sig",
		Algorithm: string(jose.ES256)}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(keys) })
	i := &issuer{file: filepath.Join(b.folder, "identity.yaml"), server: &http.Server{Handler: mux}}
	go func() { _ = i.server.Serve(l) }()
	if i.token, err = sign(private, url); err == nil {
		err = os.WriteFile(i.file, fmt.Appendf(nil, `private: [{name: members, competitions: [2]}]
issuers:
  - {name: bench, kind: oidc, issuer: %q, keys_url: "%[1]s/keys", audiences: [bench], algorithms: [ES256],
     private: {members: {claim: member, values: [true]}}}
`, url), 0o600)
	}
	if err != nil {
		i.stop()
		return nil, err
	}
	return i, nil
}

func sign(key *ecdsa.PrivateKey, url string) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": url, "aud": "bench", "sub": "viewer", "member": true,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (i *issuer) stop() { _ = i.server.Close() }
