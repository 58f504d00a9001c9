//go:build !faults

package main

import (
	"time"

	"goalcast/canary"
)

// fault is nil: nothing is done to a program that is not under test.
func fault() func(point string) { return nil }

// canaryEvery is how often the canary's goal is scored.
func canaryEvery() time.Duration { return canary.Every }
