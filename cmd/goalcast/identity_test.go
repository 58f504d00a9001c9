package main

import (
	"fmt"
	"strings"
	"testing"

	"goalcast"
)

const goodIssuers = `# who says who people are
issuers:
  - name: club
    kind: oidc
    issuer: https://login.example.org/realms/fans
    audiences: [goalcast, goalcast-app]
    algorithms: [RS256, ES256]
    keys_url: https://login.example.org/keys
    roles:
      editor: {claim: groups, values: [editors]}
      operator: {claim: realm_access.roles, values: [ops, chiefs]}
    odds: {claim: age18, values: [true, "1"]}
    private: {cup: {claim: groups, values: [friends, staff]}}
  - name: app
    kind: firebase
    project: example-project
  - name: opaque
    kind: introspection
    issuer: https://login.example.org
    introspection_url: https://login.example.org/introspect
    client_id: goalcast
    client_secret_file: DIR/token
    prefix: club_
private:
  - name: staff
    competitions: [21]
  - name: cup
    competitions: [8, 9]
`

func TestIdentityFile(t *testing.T) {
	cfg, err := readIdentity(sourcesFile(t, goodIssuers))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Issuers) != 3 {
		t.Fatalf("%+v", cfg)
	}
	club, app, opaque := cfg.Issuers[0], cfg.Issuers[1], cfg.Issuers[2]
	if club.URL != "https://login.example.org/realms/fans" || len(club.Audiences) != 2 || len(club.Algorithms) != 2 ||
		club.Roles[goalcast.Operator].Values[1] != "chiefs" || club.Odds.Values[0] != "true" ||
		club.Keys != "https://login.example.org/keys" {
		t.Errorf("%+v", club)
	}
	if len(cfg.Private) != 2 || club.Private["cup"].Values[1] != "staff" || len(app.Private) != 0 {
		t.Errorf("%+v, %+v", cfg.Private, club.Private)
	}
	private := cfg.PrivateCompetitions()
	if len(private) != 3 || private[21] != goalcast.PrivateRight(0) || private[8] != goalcast.PrivateRight(1) ||
		private[9] != private[8] {
		t.Errorf("%v", private)
	}
	if app.URL != "https://securetoken.google.com/example-project" || len(app.Audiences) != 1 ||
		app.Audiences[0] != "example-project" || app.Introspection != nil {
		t.Errorf("%+v", app)
	}
	if i := opaque.Introspection; i == nil || i.Secret != "the-token-that-is-hidden" || i.Prefix != "club_" {
		t.Errorf("%+v", opaque)
	}
}

// groups are so many of private competitions, a line each.
func groups(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "  - {name: g%d, competitions: [%d]}\n", i, i+1)
	}
	return text.String()
}

func TestAWrongIdentityFileNamesItsLine(t *testing.T) {
	const good = "issuers:\n  - name: a\n    kind: oidc\n    issuer: https://a.example.org\n    audiences: [x]\n"
	for _, tt := range []struct{ text, want string }{
		{"", "want issuers"},
		{"- name: a\n", "want issuers"},
		{"issuers: [\n", "line 1"},
		{"issuers: []\n", "issuers is missing"},
		{"issuers: a\n", "line 1: want a list"},
		{"issuer:\n  - name: a\n", `line 1: no field "issuer"`},
		{"issuers:\n  - a\n", `line 2: want an issuer, beginning with "- name:"`},
		{"issuers:\n  - name: a\n    kind: saml\n", `line 3: kind "saml"`},
		{"issuers:\n  - name: a\n    kind: oidc\n    audience: [x]\n", `line 4: no field "audience"`},
		{"issuers:\n  - name: a\n    kind: oidc\n    project: x\n", "line 4: project: an issuer of kind oidc has none"},
		{"issuers:\n  - name: a\n    kind: firebase\n    issuer: x\n",
			"line 4: issuer: an issuer of kind firebase has none"},
		{"issuers:\n  - name: a\n    kind: firebase\n", "line 2: project is missing"},
		{"issuers:\n  - name: a\n    kind: oidc\n    issuer: https://a.example.org\n", "line 2: audiences is missing"},
		{strings.Replace(good, "https:", "http:", 1), "line 2: issuer: want https"},
		{strings.Replace(good, "https://a.example.org", "{a: b}", 1), "line 4: cannot unmarshal"},
		{strings.Replace(good, "[x]", "x: 1", 1), "line 5"},
		{strings.Replace(good, "[x]", "{}", 1), "line 5: cannot unmarshal"},
		{good + "    algorithms: [HS256]\n", `line 2: algorithms: "HS256" is none of`},
		{good + "    roles: {janitor: {claim: x, values: [y]}}\n", `line 6: roles: no role "janitor"`},
		{good + "    roles:\n      editor: {claim: x, valus: [y]}\n", `line 7: no field "valus"`},
		{good + "    roles:\n      editor: {claim: x}\n", "line 2: roles: editor: want a claim and its values"},
		{good + "    odds: {values: [y]}\n", "line 2: odds: want a claim and its values"},
		{good + "    private: {cup: {claim: x, values: [y]}}\n", `issuer a: private: there is no group "cup"`},
		{good + "    private: {cup: {claim: x}}\n", "line 2: private: cup: want a claim and its values"},
		{good + "private: 8\n", "line 6: want a list"},
		{good + "private:\n  - 8\n", `line 7: want a group, beginning with "- name:"`},
		{good + "private:\n  - name: cup\n", "line 7: competitions is missing"},
		{good + "private:\n  - name: cup\n    teams: [1]\n", `line 8: no field "teams"`},
		{good + "private:\n  - name: cup\n    competitions: [0]\n", "line 7: competitions: 0"},
		{good + "private:\n  - name: cup\n    competitions: [a]\n", "line 8: cannot unmarshal"},
		{good + "private:\n  - {name: Cup, competitions: [1]}\n", `line 7: name "Cup"`},
		{good + "private:\n  - {name: a, competitions: [1]}\n  - {name: a, competitions: [2]}\n",
			`line 8: name "a" is there twice`},
		{good + "private:\n  - {name: a, competitions: [1]}\n  - {name: b, competitions: [2, 1]}\n",
			"line 8: competitions: 1 is there twice"},
		{good + "private:\n" + groups(9), "line 15: more than 8 groups"},
		{good + "  - name: a\n    kind: firebase\n    project: x\n", `line 6: name "a" is there twice`},
		{good + strings.Replace(good[len("issuers:\n"):], "name: a", "name: b", 1), "line 6: issuer"},
		{"issuers:\n  - name: a\n    kind: introspection\n    issuer: https://a.example.org\n" +
			"    introspection_url: https://a.example.org/i\n    client_id: x\n    client_secret_file: DIR/lines\n",
			"line 7: client_secret_file"},
		{"issuers:\n  - name: a\n    kind: introspection\n    issuer: https://a.example.org\n" +
			"    introspection_url: https://a.example.org/i\n    client_id: x\n",
			"line 2: want client_id and client_secret_file"},
	} {
		_, err := readIdentity(sourcesFile(t, tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s\n%v; want %s", tt.text, err, tt.want)
		}
	}
}

// A wrong file stops the start, with the setting's name in front.
func TestAWrongIdentityFileStopsTheStart(t *testing.T) {
	t.Setenv("GOALCAST_IDENTITY_FILE", sourcesFile(t, "issuers: []\n"))
	var cli commands
	_, err := parse([]string{"serve"}, &cli)
	if err == nil || !strings.Contains(err.Error(), "GOALCAST_IDENTITY_FILE: ") {
		t.Errorf("%v", err)
	}
}
