package uoftest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// descriptions are those of a few markets.
const descriptions = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<market_descriptions response_code="OK">
  <market id="1" name="1x2" groups="all|score|regular_play"/>
  <market id="18" name="Total" groups="all|score|regular_play"/>
  <market id="29" name="Both teams to score" groups="all|score|regular_play"/>
  <market id="139" name="Total bookings" groups="all|bookings|regular_play"/>
</market_descriptions>`

// api answers a request to the HTTP API.
func (p *Provider) api(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	if r.Header.Get("X-Access-Token") != Token {
		refuse(w, http.StatusForbidden, "FORBIDDEN")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[path]++
	if product, ok := strings.CutSuffix(path, "/recovery/initiate_request"); ok {
		p.recoverLocked(w, r, strings.Trim(product, "/"))
		return
	}
	event, isFixture := strings.CutPrefix(path, "/sports/en/sport_events/")
	event, ends := strings.CutSuffix(event, "/fixture.xml")
	switch {
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "BAD_REQUEST")
	case path == "/users/whoami.xml":
		_, _ = fmt.Fprintf(w, `<bookmaker_details response_code="OK" expire_at="2099-01-01T00:00:00Z" bookmaker_id="%s" virtual_host="%s"/>`,
			p.bookmaker, p.virtualHost())
	case path == "/descriptions/producers.xml":
		_, _ = fmt.Fprint(w, `<producers response_code="OK">`)
		for _, producer := range p.producers {
			_, _ = fmt.Fprintf(w, `<producer id="%d" name="P%[1]d" api_url="https://api.example/v1/%s/" active="true" scope="%s" `+
				`stateful_recovery_window_in_minutes="%d"/>`, producer.ID, producer.Product, producer.Scope,
				int(producer.Window.Minutes()))
		}
		_, _ = fmt.Fprint(w, `</producers>`)
	case path == "/descriptions/en/markets.xml":
		_, _ = fmt.Fprint(w, p.markets)
	case isFixture && ends && p.fixtures[event] != "":
		_, _ = fmt.Fprint(w, p.fixtures[event])
	default:
		refuse(w, http.StatusNotFound, "NOT_FOUND")
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<response response_code="%s"><action>none</action><message>refused</message></response>`, code)
}

// perTenMinutes is how many recoveries of a producer are begun in ten minutes, by how far they go
// back.
func perTenMinutes(back time.Duration) int {
	if back < 30*time.Minute {
		return 20
	}
	return 4
}

// recoverLocked begins a recovery: it sends what was said since, or all odds, and says when that is
// complete, once for each scope of the producer.
func (p *Provider) recoverLocked(w http.ResponseWriter, r *http.Request, product string) {
	var producer Producer
	for _, known := range p.producers {
		if known.Product == product {
			producer = known
		}
	}
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	all := !r.URL.Query().Has("after")
	back := time.Since(time.UnixMilli(after))
	before := 0
	for _, a := range p.asked {
		if a.Producer == producer.ID && (a.After == 0) == all {
			before++
		}
	}
	switch {
	case r.Method != http.MethodPost || producer.ID == 0:
		refuse(w, http.StatusNotFound, "NOT_FOUND")
		return
	case p.refuse > 0:
		p.refuse--
		refuse(w, http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
		return
	case !all && (err != nil || back > producer.Window || back < -time.Minute):
		refuse(w, http.StatusBadRequest, "BAD_REQUEST")
		return
	case before >= perTenMinutes(back):
		w.Header().Set("Retry-After", "600")
		refuse(w, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		return
	}
	recovery := Recovery{producer.ID, r.URL.Query().Get("request_id"), after}
	p.asked = append(p.asked, recovery)
	p.ready[producer.ID] = true
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprint(w, `<response response_code="ACCEPTED"><action>Recovery request accepted</action></response>`)
	if p.hold {
		p.held = append(p.held, func() { p.replayLocked(producer, recovery) })
		return
	}
	p.replayLocked(producer, recovery)
}

func (p *Provider) replayLocked(producer Producer, recovery Recovery) {
	attribute := fmt.Sprintf(` request_id="%s"`, recovery.Request)
	for _, s := range p.said {
		isOdds := s.kind == "odds_change" || s.kind == "bet_stop"
		wanted := recovery.After == 0 && isOdds || recovery.After != 0 && s.at > recovery.After
		if s.producer == producer.ID && wanted {
			p.sendLocked(s.key, fmt.Sprintf(s.text, attribute))
		}
	}
	for range strings.Split(producer.Scope, "|") {
		p.sendLocked("-.-.-.snapshot_complete.-.-.-", fmt.Sprintf(`<snapshot_complete request_id="%s" timestamp="%d" product="%d"/>`,
			recovery.Request, p.nowLocked(), producer.ID))
	}
}
