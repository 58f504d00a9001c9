package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// coalesceTimers has the kernel put wake-ups together that are less than the slack apart
// (prctl(2), PR_SET_TIMERSLACK; 50 µs unless somebody changed it). Go's runtime has a thread that
// looks after the others; each time work begins after a pause it sleeps 20 µs at a time for a
// while. A hub that gets an event every few milliseconds spends a tenth of its CPU on that
// (loadtest/bench, row topics). That thread is there before main, and a thread has its slack from
// whoever made it, but slack outlives exec: so the program sets it and begins once more, before
// it has done anything else.
func coalesceTimers(slack time.Duration) error {
	have, err := timerSlack()
	if err != nil || slack <= have {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack.Nanoseconds()), 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	if have, err = timerSlack(); err != nil || have < slack {
		return err // real-time threads have none: another start would change nothing
	}
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	return fmt.Errorf("start again with timer slack: %w", err)
}

// timerSlack is that of the calling thread.
func timerSlack() (time.Duration, error) {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0, fmt.Errorf("read timer slack: %w", err)
	}
	return time.Duration(ns), nil
}
