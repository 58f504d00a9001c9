package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast/internal/httpserver"
)

// The admin address has the operator's page, and what hubs tell of their viewers reaches it.
func TestOperatorsSeeViewers(t *testing.T) {
	t.Parallel()
	p := startNode(t, httpserver.Config{}, shares{requests: 100, admin: 100})
	send := func(method, url, token, body string, headers ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	now := time.Now().UTC().Format(time.RFC3339)
	res := send(http.MethodPost, "http://"+p.public+"/feeds/json?wait=10s", jsonSecret, fmt.Sprintf(`{"time":%q,"match":7,
		"fixture":{"competition":{"id":5,"name":"Coastal League"},"home":{"id":71,"name":"Port Amber"},
		"away":{"id":72,"name":"Saltmarsh"},"kickoff":%[1]q},
		"events":[{"id":"whistle","kind":"period","period":"first_half","at":%[1]q}]}`, now))
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	res = send(http.MethodGet, "http://"+p.public+"/v1/live?topics=match:7", "", "", "Accept", "text/event-stream",
		"Authorization", "")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("live: %d", res.StatusCode)
	}
	waitFor(t, 20*time.Second, "the viewer", func() error {
		var got struct {
			Viewers int
			Matches []struct {
				Match   struct{ Home struct{ Name string } }
				Viewers int
			}
		}
		res := send(http.MethodGet, "http://"+p.admin+"/admin/viewers", operatorToken, "")
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			return err
		}
		if got.Viewers != 1 || len(got.Matches) != 1 || got.Matches[0].Viewers != 1 ||
			got.Matches[0].Match.Home.Name != "Port Amber" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	res = send(http.MethodGet, "http://"+p.admin+"/", "", "") // which leads to the login
	if text, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(text), `action="/console/login"`) {
		t.Error(errors.Join(err, errors.New(string(text))))
	}
}
