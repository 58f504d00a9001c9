//go:build unix

package main

import (
	"math"
	"syscall"
)

// openFiles is how many files the process may open; Go has raised the limit as far as
// it may. 0 is unknown.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
