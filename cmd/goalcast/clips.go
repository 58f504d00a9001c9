package main

import (
	"errors"
	"fmt"
	"time"

	"goalcast/canary"
	clientjs "goalcast/clients/js"
	"goalcast/ingest"
	"goalcast/ingest/generic"
	"goalcast/ingest/opta"
	"goalcast/ingest/wsc"
	"goalcast/ingest/wsc/brightcove"
)

// clipsConfig says where clips come from and where they play.
type clipsConfig struct {
	ShowRendition bool          `name:"wsc-show-rendition" env:"GOALCAST_WSC_SHOW_RENDITION" help:"Let viewers play WSC's own file until Brightcove has the video. Without, a clip is told when Brightcove can play it."`
	PullKey       string        `name:"wsc-pull-key" env:"GOALCAST_WSC_PULL_KEY" secret:"" placeholder:"KEY" help:"API key of WSC's feed, to catch up with clips that no webhook told of. Empty: no catch-up."`
	PullURL       string        `name:"wsc-pull-url" env:"GOALCAST_WSC_PULL_URL" format:"service-url" default:"${wscpull_URL}" placeholder:"URL" help:"Address of WSC's feed. Here and below: https, or http to this machine."`
	PullEvery     time.Duration `name:"wsc-pull-every" env:"GOALCAST_WSC_PULL_EVERY" range:"1s.." default:"${wscpull_Every}" help:"How often to catch up, by one process of all."`

	Page   []string `name:"page-clips" env:"GOALCAST_PAGE_CLIPS" format:"clip-origin" placeholder:"ORIGIN,..." help:"Web origins (https://clips.example.org) whose pictures and videos the live page shows to viewers who agreed. A clip from elsewhere is a link there."`
	Player string   `name:"page-player" env:"GOALCAST_PAGE_PLAYER" format:"player-url" placeholder:"URL" help:"Page of a video player in which the live page shows clips that lie there, to viewers who agreed, with {account} and {video} in it: https://players.example.org/{account}/index.html?videoId={video}. Empty: it does not show them."`

	Account        string        `name:"brightcove-account" env:"GOALCAST_BRIGHTCOVE_ACCOUNT" placeholder:"ID" help:"Brightcove account that clips are uploaded to. Empty: no uploads; with --wsc-show-rendition clips play from WSC."`
	ClientID       string        `name:"brightcove-client-id" env:"GOALCAST_BRIGHTCOVE_CLIENT_ID" placeholder:"ID" help:"Client id of the account's API."`
	ClientSecret   string        `name:"brightcove-client-secret" env:"GOALCAST_BRIGHTCOVE_CLIENT_SECRET" secret:"" placeholder:"SECRET" help:"Its secret."`
	Profile        string        `name:"brightcove-profile" env:"GOALCAST_BRIGHTCOVE_PROFILE" placeholder:"NAME" help:"Ingest profile; empty is the account's default."`
	CallbackURL    string        `name:"brightcove-callback-url" env:"GOALCAST_BRIGHTCOVE_CALLBACK_URL" format:"service-url" placeholder:"URL" help:"Where Brightcove reaches this goalcast (https://feeds.example.org); /callbacks/brightcove is below. Empty: jobs are polled."`
	CallbackSecret string        `name:"brightcove-callback-secret" env:"GOALCAST_BRIGHTCOVE_CALLBACK_SECRET" secret:"" placeholder:"SECRET" help:"Makes callback addresses that nobody can guess; the same in all processes."`
	CheckEvery     time.Duration `name:"brightcove-check-every" env:"GOALCAST_BRIGHTCOVE_CHECK_EVERY" range:"100ms.." default:"${wsc_CheckEvery}" help:"How often to ask for an upload that no callback tells of."`
	OAuthURL       string        `name:"brightcove-oauth-url" env:"GOALCAST_BRIGHTCOVE_OAUTH_URL" format:"service-url" default:"${brightcove_OAuthURL}" placeholder:"URL" help:"Address of Brightcove's OAuth."`
	CMSURL         string        `name:"brightcove-cms-url" env:"GOALCAST_BRIGHTCOVE_CMS_URL" format:"service-url" default:"${brightcove_CMSURL}" placeholder:"URL" help:"Address of its CMS."`
	IngestURL      string        `name:"brightcove-ingest-url" env:"GOALCAST_BRIGHTCOVE_INGEST_URL" format:"service-url" default:"${brightcove_IngestURL}" placeholder:"URL" help:"Address of its Dynamic Ingest."`
}

// onPage says which clips the live page shows.
func (c clipsConfig) onPage() clientjs.Clips {
	return clientjs.Clips{Origins: c.Page, Player: c.Player}
}

func (c clipsConfig) checkAccount() error {
	if c.Account != "" && (c.ClientID == "" || c.ClientSecret == "") {
		return errors.New("set, but not GOALCAST_BRIGHTCOVE_CLIENT_ID and GOALCAST_BRIGHTCOVE_CLIENT_SECRET")
	}
	return nil
}

func (c clipsConfig) checkCallbacks() error {
	if c.CallbackURL != "" && len(c.CallbackSecret) < minSecret {
		return fmt.Errorf("GOALCAST_BRIGHTCOVE_CALLBACK_URL wants one of at least %d characters", minSecret)
	}
	return nil
}

// providers are the senders of feeds that goalcast reads, besides WSC, whose
// provider does more than read.
func providers() []ingest.Provider { return []ingest.Provider{opta.New(), generic.New()} }

// providers are all whose documents this node takes.
func (n *node) providers() []ingest.Provider {
	all := append(providers(), n.clips)
	if n.canaryMatch != nil {
		all = append(all, canary.Provider{})
	}
	return all
}

// makeClips makes the provider of clips; attachClips joins it to the ingest that has it.
func (n *node) makeClips() {
	c := n.cfg.Clips
	if c.Account != "" {
		n.player = brightcove.New(brightcove.Config{
			Account: c.Account, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Profile: c.Profile,
			CallbackURL: c.CallbackURL, CallbackSecret: c.CallbackSecret,
			OAuthURL: c.OAuthURL, CMSURL: c.CMSURL, IngestURL: c.IngestURL,
		}, n.log, n.reg)
	}
	n.clips = wsc.New(wsc.Config{ShowRendition: c.ShowRendition, CheckEvery: c.CheckEvery, Now: n.db.Now}, n.db,
		n.queue, n.player, n.log, n.reg)
}

func (n *node) attachClips() {
	n.clips.Attach(n.ingest)
	n.queue.Handle(wsc.TaskUpload, n.clips.Task)
	n.queue.Handle(wsc.TaskCheck, n.clips.Task)
	if c := n.cfg.Clips; c.PullKey != "" {
		puller := wsc.NewPuller(wsc.PullConfig{URL: c.PullURL, Key: c.PullKey}, n.clips, n.log)
		n.jobs.Add(wsc.PullJob, c.PullEvery, puller.Pull)
	}
}
