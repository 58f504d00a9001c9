package rest_test

import (
	"crypto/sha256"
	"time"

	"goalcast"
)

func document(id goalcast.DocumentID) goalcast.Document {
	body := []byte("<Opta/>\xff")
	return goalcast.Document{ID: id, Provider: "opta", Feed: "F9", Match: 1009316, Headers: map[string]string{"x-meta-feed-type": "F9"}, Body: body,
		Digest: sha256.Sum256(body), Received: time.Date(2026, 5, 17, 18, 44, 1, 0, time.UTC), State: goalcast.DocumentApplied, Attempts: 1}
}

func applied(d *goalcast.Document) error {
	d.State, d.Error = goalcast.DocumentApplied, ""
	d.Attempts++
	return nil
}
