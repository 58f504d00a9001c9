package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/httpserver"
)

// What an editor calls a team is what this process calls it at once, and soon also what another
// one was told.
func TestNamesReachReaders(t *testing.T) {
	p := startNode(t, httpserver.Config{}, shareOut(openFiles()))
	named := func(language string) error {
		res, err := http.Get("http://" + p.public + "/v1/matches?lang=" + language)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if got := res.Header.Get("Content-Language"); res.StatusCode != http.StatusOK || got != language {
			return fmt.Errorf("%s, in %q", res.Status, got)
		}
		return nil
	}
	if err := named("nl"); err == nil {
		t.Fatal("there are names already")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.admin+"/admin/names",
		strings.NewReader(`{"names":[{"kind":"team","id":7,"language":"nl","name":"Luik"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	if err := named("nl"); err != nil {
		t.Error(err)
	}
	if _, err := p.db.SaveNames(t.Context(), []goalcast.Name{{Kind: goalcast.FoundTeam, ID: 7, Language: "fr",
		Name: "Liège"}}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 30*time.Second, "a name that another process was told", func() error { return named("fr") })
}
