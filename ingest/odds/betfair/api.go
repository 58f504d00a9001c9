package betfair

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 4 << 20

// api is Betfair's API of requests, for what the stream does not say.
type api struct {
	base, appKey string
	http         *http.Client
}

// call makes a request and reads its answer. Errors say Betfair's code and no secret.
func (a *api) call(ctx context.Context, path, session string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Application", a.appKey)
	r.Header.Set("X-Authentication", session)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	return exchange(a.http, r, out)
}

// exchange sends a request and reads its JSON answer.
func exchange(client *http.Client, r *http.Request, out any) error {
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", r.URL.Path, answer.StatusCode)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: unreadable answer: %w", r.URL.Path, err)
	}
	return nil
}

// checkKey asks whether the application key is a delayed one. Keys that are not the account's own
// are not known to it; of them only the stream can tell.
func (a *api) checkKey(ctx context.Context, session string) error {
	var apps []struct {
		Versions []struct {
			Key     string `json:"applicationKey"`
			Delayed bool   `json:"delayData"`
			Active  bool   `json:"active"`
		} `json:"appVersions"`
	}
	if err := a.call(ctx, "/exchange/account/rest/v1.0/getDeveloperAppKeys/", session, struct{}{}, &apps); err != nil {
		return fmt.Errorf("%w: whether the key is a delayed one: %w", errUnreachable, err)
	}
	for _, app := range apps {
		for _, v := range app.Versions {
			switch {
			case v.Key != a.appKey:
			case v.Delayed:
				return ErrDelayed
			case !v.Active:
				return fmt.Errorf("%w: the application key is not active", ErrRefused)
			}
		}
	}
	return nil
}
