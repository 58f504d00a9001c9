// Command check holds histories of runs, as loadtest/check writes them, against its invariants. It
// exits with 1 if one did not hold.
package main

import (
	"fmt"
	"os"

	"goalcast/loadtest/check"
)

func main() {
	status := 0
	for _, file := range os.Args[1:] {
		notes, err := check.Read(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "check:", err)
			os.Exit(2)
		}
		found := check.Check(notes)
		for _, v := range found {
			fmt.Println(v)
			status = 1
		}
		fmt.Printf("%s: %d violations in %v\n", file, len(found), check.Tally(notes))
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: check FILE...")
		os.Exit(2)
	}
	os.Exit(status)
}
