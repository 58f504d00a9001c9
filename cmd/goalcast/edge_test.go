package main

import (
	"strings"
	"testing"
)

// TestEdgeSettings: what is wrong is named by its variable, and no secret is shown.
func TestEdgeSettings(t *testing.T) {
	const secret = "0123456789abcdef"
	for _, tt := range []struct{ upstream, secret, edges, want string }{
		{"https://live.example.org", secret, "", ""},
		{"http://127.0.0.1:8080", secret, "next=" + secret, ""},
		{"http://live.example.org", secret, "", "GOALCAST_UPSTREAM: want an https URL"},
		{"https://u:" + secret + "@live.example.org", secret, "", "GOALCAST_UPSTREAM: want a URL without user"},
		{"", secret, "", "--upstream"},
		{"https://live.example.org", secret[:15], "", "GOALCAST_UPSTREAM_SECRET: want at least 16"},
		{"https://live.example.org", secret, "next=" + secret[:15], `GOALCAST_EDGE_SECRETS: the secret of "next"`},
	} {
		args := []string{"edge"}
		if tt.upstream != "" {
			args = append(args, "--upstream="+tt.upstream)
		}
		t.Setenv("GOALCAST_UPSTREAM_SECRET", tt.secret)
		t.Setenv("GOALCAST_EDGE_SECRETS", tt.edges)
		var cli commands
		_, err := parse(args, &cli)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.upstream, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %s", tt.upstream, err, tt.want)
		case err != nil && strings.Contains(err.Error(), secret[:15]):
			t.Errorf("a secret is shown: %v", err)
		}
	}
}
