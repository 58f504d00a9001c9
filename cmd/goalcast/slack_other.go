//go:build !linux

package main

import "time"

// coalesceTimers does nothing where the kernel has no such thing.
func coalesceTimers(time.Duration) error { return nil }
