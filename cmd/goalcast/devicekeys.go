package main

import (
	"context"
	"errors"

	"github.com/alecthomas/kong"

	"goalcast/internal/seal"
)

// deviceKeys are the keys of the tokens of devices; nil for none.
type deviceKeys struct{ keys *seal.Keys }

// Decode is called by kong. Its errors never show a key.
func (d *deviceKeys) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("NAME=KEY", &text); err != nil {
		return errors.New("want NAME=KEY pairs")
	}
	if text == "" {
		return nil
	}
	keys, err := seal.Parse(text)
	d.keys = keys
	return err
}

// sealDevices gives the store the keys. A process that could not read devices would pass over
// phones when a goal falls, or take those it knows for new ones: it does not start.
func (n *node) sealDevices(ctx context.Context) error {
	n.db.UseDeviceKeys(n.cfg.DeviceKeys.keys)
	if !n.has(roleREST) && !n.has(roleNotify) {
		return nil
	}
	return n.db.DeviceKeys(ctx)
}
