package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"goalcast/identity/identitytest"
	"goalcast/notify/kbc/kbctest"
	"goalcast/notify/partner/partnertest"
)

// TestGoalsReachOthers: a customer of the bank who logged in gets a goal through the bank, and a
// partner its event, once each.
func TestGoalsReachOthers(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	const customer = "customer_0123456789"
	issuer := identitytest.New(t)
	bank, house := &kbctest.Server{ClientID: "goalcast", ClientSecret: "secret"}, &partnertest.Server{Secret: secret}
	banks, houses := httptest.NewServer(bank), httptest.NewServer(house)
	t.Cleanup(banks.Close)
	t.Cleanup(houses.Close)
	file := filepath.Join(t.TempDir(), "partners.yaml")
	if err := os.WriteFile(file, []byte("- {name: house, url: 'https://house.example.org/', topics: ['match:900'], "+
		"kinds: [goal], secrets: ["+secret+"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startEmbedded(t, identityFile(t, issuer, ""), "GOALCAST_KBC_PUSH_URL="+banks.URL+"/v1/batches",
		"GOALCAST_KBC_PUSH_TOKEN_URL="+banks.URL+"/token", "GOALCAST_KBC_PUSH_CLIENT_ID=goalcast",
		"GOALCAST_KBC_PUSH_CLIENT_SECRET=secret", "GOALCAST_PARTNERS_FILE="+file,
		"GOALCAST_PARTNERS_ENDPOINT="+houses.URL).ingest
	waitFor(t, time.Minute, "the partner to be configured", func() error {
		var list struct{ Partners []struct{ Name string } }
		if err := p.operator("/admin/partners", &list); err != nil || len(list.Partners) == 0 {
			return fmt.Errorf("%+v, %v", list, err)
		}
		return nil
	})
	a := app{t, p.public, customer, issuer.Token(identitytest.Claims{"sub": "ann"})}
	a.put("/v1/me/devices/"+customer, `{"platform":"bank","language":"en"}`)
	a.put("/v1/me/follows/match:900", "")
	now := time.Now().UTC().Format(time.RFC3339)
	body := fmt.Sprintf(`{"time":%q,"match":900,"fixture":{"competition":{"id":8,"name":"Coastal League"},
		"home":{"id":1,"name":"Noordzand"},"away":{"id":2,"name":"Val-Rouge"},"kickoff":%[1]q},
		"events":[{"id":"start","kind":"period","period":"first_half"},{"id":"g1","kind":"goal","period":"first_half","minute":1,"team":1}]}`, now)
	for range 2 { // a document that comes twice tells nothing twice
		if got, text := ask(t, http.MethodPost, p.public+"/feeds/json?wait=30s", nil, body); got != http.StatusOK {
			t.Fatalf("%d %s", got, text)
		}
	}
	goals := func() (list []kbctest.Push) {
		for _, push := range bank.Pushes(customer) {
			if push.Data["kind"] == "goal" {
				list = append(list, push)
			}
		}
		return list
	}
	waitFor(t, time.Minute, "both to be told", func() error {
		if len(goals()) == 0 || len(house.Taken()) == 0 {
			return fmt.Errorf("%+v, %+v, %v", bank.Pushes(customer), house.Taken(), bank.Violations())
		}
		return nil
	})
	if got := goals(); len(got) != 1 || len(bank.Violations()) > 0 {
		t.Errorf("the bank got %+v; %v", got, bank.Violations())
	}
	if got := house.Taken(); len(got) != 1 || got[0].Match.Home.Name != "Noordzand" || len(house.Wrong()) > 0 {
		t.Errorf("the partner got %+v; %v", got, house.Wrong())
	}
}
