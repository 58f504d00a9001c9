package wsc

import (
	"context"
	"time"
)

// SetNow gives the clips a clock.
func (c *Clips) SetNow(now func() time.Time) { c.now = now }

// Sweep looks once for clips that are overdue.
func (c *Clips) Sweep(ctx context.Context) { c.sweep(ctx) }
