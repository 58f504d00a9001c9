// Command goalcast is a push hub for live football: providers post feeds, viewers get goals. It
// reads the configuration and joins the packages, and is the only place that knows them all.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], options{fault: fault()})) }

// run runs one command to its end and returns the exit status: 2 for a wrong command line or
// setting, 1 for any other error.
func run(args []string, o options) int {
	var cli commands
	command, err := parse(args, &cli)
	if err != nil {
		if report := wrongSettings(args, err); report != nil && printReport(os.Stdout, report,
			slices.Contains(args, "--json")) == nil {
			return 2
		}
		fmt.Fprintf(os.Stderr, "goalcast: %v\n", err)
		return 2
	}
	o.exposed = exposed(command)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if c := command.Command(); c == "serve" || c == "edge" {
		// which SIGHUP asks to read its secrets again; nothing ends without draining
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		o.reload = hangup
	} else {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, a second one ends the process at once
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(o); err != nil {
		fmt.Fprintf(os.Stderr, "goalcast: %v\n", err)
		return 1
	}
	return 0
}

// logger writes to standard error.
func (l logging) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "text" || l.LogFormat == "auto" && isTerminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
