package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"goalcast/notify"
	"goalcast/notify/fcm"
)

type pushesCmd struct {
	Preview previewCmd `cmd:"" help:"Print what phones show of each kind of push in each language, with names that are made up, and how many bytes it takes. Needs no database."`
}

type previewCmd struct {
	Kind     []string `placeholder:"KIND" help:"Only of these kinds: goal, goal_cancelled, period, ..."`
	Language []string `name:"lang" placeholder:"LANGUAGE" help:"Only in these languages: nl, fr, de, en."`
	Zone     string   `env:"GOALCAST_PUSH_ZONE" format:"zone" default:"Europe/Brussels" placeholder:"ZONE" help:"Time zone in which pushes tell dates."`
}

// Run prints.
func (c *previewCmd) Run(context.Context, options) error { return c.print(os.Stdout) }

// platforms are those that a preview counts bytes for.
var platforms = []string{"android", "ios", "web"}

func (c *previewCmd) print(to io.Writer) error {
	templates, err := notify.LoadTemplates()
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return fmt.Errorf("GOALCAST_PUSH_ZONE: %w", err)
	}
	samples, err := notify.Samples(templates, zone, platforms)
	if err != nil {
		return err
	}
	if err := c.known(samples); err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	name := ""
	for of := range slices.Chunk(samples, len(platforms)) {
		s := of[0]
		if !wanted(c.Kind, s.Kind) || !wanted(c.Language, s.Message.Language) {
			continue
		}
		if s.Name != name {
			name = s.Name
			priority := "normal"
			if s.Message.High {
				priority = "high"
			}
			fmt.Fprintf(out, "# %s (%s): tag %s, collapse key %s, channel %s, %s priority\n", name, s.Kind,
				s.Message.Tag, s.Message.Collapse, s.Message.Channel, priority)
		}
		language := s.Message.Language
		if s.NoScores {
			language += ", no scores"
		}
		fmt.Fprintf(out, "%-14s %s\n%-14s %s\n%-14s", language, s.Message.Text.Title, "", s.Message.Text.Body, "")
		for _, s := range of {
			fmt.Fprintf(out, " %s %d B", s.Message.Platform, fcm.Size(s.Message))
		}
		fmt.Fprint(out, "\n\n")
	}
	return out.Flush()
}

// known refuses kinds and languages that no push has.
func (c *previewCmd) known(samples []notify.Sample) error {
	var kinds, languages []string
	for _, s := range samples {
		kinds, languages = append(kinds, s.Kind), append(languages, s.Message.Language)
	}
	for _, chosen := range []struct {
		flag        string
		wanted, are []string
	}{{"--kind", c.Kind, kinds}, {"--lang", c.Language, languages}} {
		slices.Sort(chosen.are)
		for _, w := range chosen.wanted {
			if !slices.Contains(chosen.are, w) {
				return fmt.Errorf("%s: no %q: want some of %s", chosen.flag, w,
					strings.Join(slices.Compact(chosen.are), ","))
			}
		}
	}
	return nil
}

// wanted says whether a value is among those that were chosen; all are if none was.
func wanted(chosen []string, value string) bool {
	return len(chosen) == 0 || slices.Contains(chosen, value)
}
