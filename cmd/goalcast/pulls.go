package main

import (
	"errors"
	"time"

	"goalcast/ingest/opta/pull"
)

// pullsConfig says which of Opta's lists are asked for, besides what Opta posts.
type pullsConfig struct {
	Lists    []string      `name:"opta-pull" env:"GOALCAST_OPTA_PULL" placeholder:"FEED:COMPETITION:SEASON,..." help:"Lists to ask Opta for, besides what it posts: f1:8:2026,f3:8:2026,f40:8:2026 are fixtures, tables and squads of competition 8, season 2026/27. Empty: none."`
	URL      string        `name:"opta-pull-url" env:"GOALCAST_OPTA_PULL_URL" format:"service-url" default:"${pull_URL}" placeholder:"URL" help:"Address under which Opta has competition.php: https, or http to this machine."`
	User     string        `name:"opta-pull-user" env:"GOALCAST_OPTA_PULL_USER" secret:"" placeholder:"USER" help:"Opta's user for pulling."`
	Password string        `name:"opta-pull-password" env:"GOALCAST_OPTA_PULL_PASSWORD" secret:"" placeholder:"PASSWORD" help:"Its password."`
	Every    time.Duration `name:"opta-pull-every" env:"GOALCAST_OPTA_PULL_EVERY" range:"1s.." default:"10m" help:"How often to ask, by one process of all; up to a tenth of it, at most a minute, later. The same in all processes."`
}

func (c pullsConfig) check() error {
	if _, err := pull.ParseTargets(c.Lists); err != nil {
		return err
	}
	if len(c.Lists) > 0 && (c.User == "" || c.Password == "") {
		return errors.New("set, but not GOALCAST_OPTA_PULL_USER and GOALCAST_OPTA_PULL_PASSWORD")
	}
	return nil
}

// makePulls adds the job that pulls, if there is something to pull.
func (n *node) makePulls() error {
	c := n.cfg.Pulls
	targets, err := pull.ParseTargets(c.Lists)
	if err != nil || len(targets) == 0 {
		return err
	}
	puller := pull.New(pull.Config{
		URL: c.URL, User: c.User, Password: c.Password, Targets: targets, MaxBody: n.cfg.MaxBody,
		Jitter: min(c.Every/10, time.Minute),
	}, n.ingest, n.log, n.reg)
	n.jobs.Add(pull.Job, c.Every, puller.Pull)
	return nil
}
