package betfair

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"goalcast/ingest/odds"
)

// kept is the place to resume from as whoever holds the source next gets it. The place is of no use
// without the book that it is the end of: Betfair then says only what has changed since.
type kept struct {
	Subscription string       `json:"subscription"` // what was subscribed to; places of others mean nothing
	InitialClk   string       `json:"initialClk"`
	Clk          string       `json:"clk"`
	PublishedMS  int64        `json:"pt"`
	Markets      []keptMarket `json:"markets"`
}

type keptMarket struct {
	ID         string      `json:"id"`
	Definition *definition `json:"def"`
	Best       []keptOffer `json:"best,omitempty"`
	Closed     int64       `json:"closed,omitempty"`
	Settled    bool        `json:"settled,omitempty"`
}

type keptOffer struct {
	ID       int64       `json:"id"`
	Handicap float64     `json:"hc,omitempty"`
	Text     json.Number `json:"p"`
}

// pack writes the book as a text of letters: JSON, gzip, base64.
func (b *book) pack(subscription string) ([]byte, error) {
	k := kept{subscription, b.initialClk, b.clk, b.publishedMS, make([]keptMarket, 0, len(b.markets))}
	for _, m := range b.markets {
		if m.def == nil {
			continue
		}
		km := keptMarket{ID: m.id, Definition: m.def, Closed: m.closed, Settled: len(m.settled) > 0}
		for r, o := range m.best {
			km.Best = append(km.Best, keptOffer{r.id, r.handicap, json.Number(o.text)})
		}
		k.Markets = append(k.Markets, km)
	}
	var packed bytes.Buffer
	letters := base64.NewEncoder(base64.StdEncoding, &packed)
	zip := gzip.NewWriter(letters)
	if err := json.NewEncoder(zip).Encode(k); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	if err := letters.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// maxUnpacked is how many bytes of a packed book are read.
const maxUnpacked = 64 << 20

// unpack reads what pack wrote. It is nil where another subscription was kept.
func unpack(text []byte, subscription string, l limits) (*book, error) {
	zip, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("place to resume from: %w", err)
	}
	var k kept
	if err := json.NewDecoder(io.LimitReader(zip, maxUnpacked)).Decode(&k); err != nil {
		return nil, fmt.Errorf("place to resume from: %w", err)
	}
	if k.Subscription != subscription || k.InitialClk == "" || k.Clk == "" {
		return nil, nil
	}
	b, uncounted := newBook(), faults{}
	b.initialClk, b.clk, b.publishedMS = k.InitialClk, k.Clk, k.PublishedMS
	for _, km := range k.Markets {
		if km.Definition == nil {
			continue
		}
		m := b.apply(&marketChange{ID: km.ID, Definition: km.Definition}, l, km.Closed, uncounted)
		if m == nil {
			return nil, nil // there is no place for all of it
		}
		for _, o := range km.Best {
			price, err := odds.ParsePrice(o.Text.String())
			if err != nil {
				price = 0
			}
			m.best[runner{o.ID, o.Handicap}] = offer{price, o.Text.String()}
		}
		if km.Settled {
			m.settle(uncounted)
		}
	}
	return b, nil
}
