//go:build !faults

package main

// fault is nil: nothing is done to a program that is not under test.
func fault() func(point string) { return nil }
