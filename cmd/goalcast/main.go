// Command goalcast is a push hub for live football: providers post feeds, viewers get goals. It reads the configuration and joins the packages, and is
// the only place that knows them all.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	var cli commands
	kctx, err := parse(os.Args[1:], &cli)
	if err != nil {
		fmt.Fprintf(os.Stderr, "goalcast: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // from here a second signal ends the process at once
	}()
	kctx.BindTo(ctx, (*context.Context)(nil))
	if err := kctx.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "goalcast: %v\n", err)
		os.Exit(1)
	}
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

// Run prints the version that the build stamped, and Go's.
func (versionCmd) Run() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("no build information")
	}
	_, err := fmt.Println("goalcast", info.Main.Version, info.GoVersion)
	return err
}
