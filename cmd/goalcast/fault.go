//go:build faults

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"goalcast/canary"
)

// fault is what the tests of the whole program have done to a process at the points of a
// document's way (ingest.Config.Fault, notify.Config.Fault). Only a program that was built with
// the tag "faults" has it.
func fault() func(point string) {
	if path := os.Getenv("GOALCAST_TEST_WITNESS"); path != "" {
		return witness(path)
	}
	point, count, _ := strings.Cut(os.Getenv("GOALCAST_TEST_FAULT"), ":")
	if point == "" {
		return nil
	}
	n, _ := strconv.Atoi(count)
	return killAt(point, n)
}

// canaryEvery is how often the canary's goal is scored: in tests as often as they say.
func canaryEvery() time.Duration {
	if every, err := time.ParseDuration(os.Getenv("GOALCAST_TEST_CANARY_EVERY")); err == nil {
		return every
	}
	return canary.Every
}

// killAt ends the process when it passes the point for the nth time
// ("committed:3"), as kill -9 does.
func killAt(point string, nth int) func(string) {
	var mu sync.Mutex
	return func(at string) {
		mu.Lock()
		defer mu.Unlock()
		if at == point {
			if nth--; nth == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
}

// witness sees whether documents of a match are worked on at once, in whichever of the processes
// that have the same path: a file that is there while one has the match locked. What it sees is a
// line in path+".seen", with the process's number. It is good for documents of one match only.
func witness(path string) func(string) {
	note := func(what string) {
		seen, err := os.OpenFile(path+".seen", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		defer seen.Close()
		fmt.Fprintln(seen, os.Getpid(), what)
	}
	return func(point string) {
		switch point {
		case "revising":
			held, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				note("not alone")
				return
			}
			held.Close()
			note("alone")
			time.Sleep(2 * time.Millisecond) // makes the window wide in which another would be seen
		case "revised":
			_ = os.Remove(path) // gone already, if another one was there: that is noted
		}
	}
}
