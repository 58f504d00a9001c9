package main

import (
	"errors"
	"time"

	"goalcast/ingest"
	"goalcast/ingest/brightcove"
	"goalcast/ingest/generic"
	"goalcast/ingest/opta"
	"goalcast/ingest/wsc"
)

// pullEvery is how often clips are caught up with, by one process of all.
const pullEvery = 5 * time.Minute

// clipsConfig says where clips come from and where they play.
type clipsConfig struct {
	ShowRendition bool   `name:"wsc-show-rendition" env:"GOALCAST_WSC_SHOW_RENDITION" help:"Let viewers play WSC's own file until Brightcove has the video. Without, a clip is told when Brightcove can play it."`
	PullKey       string `name:"wsc-pull-key" env:"GOALCAST_WSC_PULL_KEY" secret:"" placeholder:"KEY" help:"API key of WSC's feed, to catch up with clips that no webhook told of. Empty: no catch-up."`
	PullURL       string `name:"wsc-pull-url" env:"GOALCAST_WSC_PULL_URL" placeholder:"URL" help:"Address of WSC's feed, if it is not the usual one."`

	Account        string `name:"brightcove-account" env:"GOALCAST_BRIGHTCOVE_ACCOUNT" placeholder:"ID" help:"Brightcove account that clips are uploaded to. Empty: no uploads; with --wsc-show-rendition clips play from WSC."`
	ClientID       string `name:"brightcove-client-id" env:"GOALCAST_BRIGHTCOVE_CLIENT_ID" placeholder:"ID" help:"Client id of the account's API."`
	ClientSecret   string `name:"brightcove-client-secret" env:"GOALCAST_BRIGHTCOVE_CLIENT_SECRET" secret:"" placeholder:"SECRET" help:"Its secret."`
	Profile        string `name:"brightcove-profile" env:"GOALCAST_BRIGHTCOVE_PROFILE" placeholder:"NAME" help:"Ingest profile; empty is the account's default."`
	CallbackURL    string `name:"brightcove-callback-url" env:"GOALCAST_BRIGHTCOVE_CALLBACK_URL" placeholder:"URL" help:"Where Brightcove reaches this goalcast (https://feeds.example.org); /callbacks/brightcove is below. Empty: jobs are polled."`
	CallbackSecret string `name:"brightcove-callback-secret" env:"GOALCAST_BRIGHTCOVE_CALLBACK_SECRET" secret:"" placeholder:"SECRET" help:"Makes callback addresses that nobody can guess; the same in all processes."`
}

func (c clipsConfig) check() error {
	switch {
	case c.Account != "" && (c.ClientID == "" || c.ClientSecret == ""):
		return errors.New("set, but not the client id and secret")
	case c.CallbackURL != "" && len(c.CallbackSecret) < 16:
		return errors.New("callbacks want GOALCAST_BRIGHTCOVE_CALLBACK_SECRET, of at least 16 characters")
	}
	return nil
}

// providers are the senders of feeds that goalcast reads, besides WSC, whose provider does more than read.
func providers() []ingest.Provider { return []ingest.Provider{opta.New(), generic.New()} }

// makeClips makes the provider of clips; attachClips joins it to the ingest that has it.
func (n *node) makeClips() {
	c := n.cfg.Clips
	if c.Account != "" {
		n.player = brightcove.New(brightcove.Config{
			Account: c.Account, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Profile: c.Profile, CallbackURL: c.CallbackURL, CallbackSecret: c.CallbackSecret,
		}, n.log, n.reg)
	}
	n.clips = wsc.New(wsc.Config{ShowRendition: c.ShowRendition}, n.db, n.queue, n.player, n.log, n.reg)
}

func (n *node) attachClips() {
	n.clips.Attach(n.ingest)
	n.queue.Handle(wsc.TaskUpload, n.clips.Task)
	n.queue.Handle(wsc.TaskCheck, n.clips.Task)
	if c := n.cfg.Clips; c.PullKey != "" {
		puller := wsc.NewPuller(wsc.PullConfig{URL: c.PullURL, Key: c.PullKey}, n.clips, nil, n.log)
		n.jobs.Add(wsc.PullLock, pullEvery, puller.Pull)
	}
}
