package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"goalcast/ingest"
	"goalcast/ingest/brightcove"
	"goalcast/ingest/generic"
	"goalcast/ingest/opta"
	"goalcast/ingest/wsc"
)

// clipsConfig says where clips come from and where they play.
type clipsConfig struct {
	ShowRendition bool          `name:"wsc-show-rendition" env:"GOALCAST_WSC_SHOW_RENDITION" help:"Let viewers play WSC's own file until Brightcove has the video. Without, a clip is told when Brightcove can play it."`
	PullKey       string        `name:"wsc-pull-key" env:"GOALCAST_WSC_PULL_KEY" secret:"" placeholder:"KEY" help:"API key of WSC's feed, to catch up with clips that no webhook told of. Empty: no catch-up."`
	PullURL       string        `name:"wsc-pull-url" env:"GOALCAST_WSC_PULL_URL" default:"https://blazefeed.clipro.tv" placeholder:"URL" help:"Address of WSC's feed. Here and below: https, or http to this machine."`
	PullEvery     time.Duration `name:"wsc-pull-every" env:"GOALCAST_WSC_PULL_EVERY" default:"5m" help:"How often to catch up, by one process of all."`
	PullPage      int           `name:"wsc-pull-page" env:"GOALCAST_WSC_PULL_PAGE" default:"100" placeholder:"N" help:"Clips that are asked for at once, up to 100 times in a row."`

	Account        string        `name:"brightcove-account" env:"GOALCAST_BRIGHTCOVE_ACCOUNT" placeholder:"ID" help:"Brightcove account that clips are uploaded to. Empty: no uploads; with --wsc-show-rendition clips play from WSC."`
	ClientID       string        `name:"brightcove-client-id" env:"GOALCAST_BRIGHTCOVE_CLIENT_ID" placeholder:"ID" help:"Client id of the account's API."`
	ClientSecret   string        `name:"brightcove-client-secret" env:"GOALCAST_BRIGHTCOVE_CLIENT_SECRET" secret:"" placeholder:"SECRET" help:"Its secret."`
	Profile        string        `name:"brightcove-profile" env:"GOALCAST_BRIGHTCOVE_PROFILE" placeholder:"NAME" help:"Ingest profile; empty is the account's default."`
	CallbackURL    string        `name:"brightcove-callback-url" env:"GOALCAST_BRIGHTCOVE_CALLBACK_URL" placeholder:"URL" help:"Where Brightcove reaches this goalcast (https://feeds.example.org); /callbacks/brightcove is below. Empty: jobs are polled."`
	CallbackSecret string        `name:"brightcove-callback-secret" env:"GOALCAST_BRIGHTCOVE_CALLBACK_SECRET" secret:"" placeholder:"SECRET" help:"Makes callback addresses that nobody can guess; the same in all processes."`
	CheckEvery     time.Duration `name:"brightcove-check-every" env:"GOALCAST_BRIGHTCOVE_CHECK_EVERY" default:"15s" help:"How often to ask for an upload that no callback tells of."`
	Attempts       int           `name:"brightcove-attempts" env:"GOALCAST_BRIGHTCOVE_ATTEMPTS" default:"3" placeholder:"N" help:"Uploads of a cut that may fail before it is given up, with an alarm."`
	OAuthURL       string        `name:"brightcove-oauth-url" env:"GOALCAST_BRIGHTCOVE_OAUTH_URL" default:"https://oauth.brightcove.com" placeholder:"URL" help:"Address of Brightcove's OAuth."`
	CMSURL         string        `name:"brightcove-cms-url" env:"GOALCAST_BRIGHTCOVE_CMS_URL" default:"https://cms.api.brightcove.com" placeholder:"URL" help:"Address of its CMS."`
	IngestURL      string        `name:"brightcove-ingest-url" env:"GOALCAST_BRIGHTCOVE_INGEST_URL" default:"https://ingest.api.brightcove.com" placeholder:"URL" help:"Address of its Dynamic Ingest."`
}

// check names the variable at fault in its error.
func (c clipsConfig) check() error {
	if c.Account != "" && (c.ClientID == "" || c.ClientSecret == "") {
		return errors.New("GOALCAST_BRIGHTCOVE_ACCOUNT: set, but not the client id and secret")
	}
	if c.CallbackURL != "" && len(c.CallbackSecret) < 16 {
		return errors.New("GOALCAST_BRIGHTCOVE_CALLBACK_SECRET: callbacks want one of at least 16 characters")
	}
	for _, setting := range []struct {
		variable string
		wrong    error
	}{
		{"GOALCAST_WSC_PULL_URL", serviceURL(c.PullURL)},
		{"GOALCAST_WSC_PULL_EVERY", atLeast(c.PullEvery, time.Second)},
		{"GOALCAST_WSC_PULL_PAGE", between(c.PullPage, 1, 1000)},
		{"GOALCAST_BRIGHTCOVE_CALLBACK_URL", serviceURL(c.CallbackURL)},
		{"GOALCAST_BRIGHTCOVE_CHECK_EVERY", atLeast(c.CheckEvery, 100*time.Millisecond)},
		{"GOALCAST_BRIGHTCOVE_ATTEMPTS", atLeast(c.Attempts, 1)},
		{"GOALCAST_BRIGHTCOVE_OAUTH_URL", serviceURL(c.OAuthURL)},
		{"GOALCAST_BRIGHTCOVE_CMS_URL", serviceURL(c.CMSURL)},
		{"GOALCAST_BRIGHTCOVE_INGEST_URL", serviceURL(c.IngestURL)},
	} {
		if setting.wrong != nil {
			return fmt.Errorf("%s: %w", setting.variable, setting.wrong)
		}
	}
	return nil
}

// serviceURL checks the address of a service, to which paths are added; empty is the usual one. Keys and tokens travel there, so it has to be https, but for a
// service on this machine. The error does not show the address: somebody may have put a password into it.
func serviceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("want an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errors.New("want a URL without user, query and fragment")
	case u.Scheme == "http" && !thisMachine(u.Hostname()):
		return errors.New("want an https URL: http is for this machine only")
	}
	return nil
}

// thisMachine says whether a host's name or address cannot lead elsewhere.
func thisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// providers are the senders of feeds that goalcast reads, besides WSC, whose provider does more than read.
func providers() []ingest.Provider { return []ingest.Provider{opta.New(), generic.New()} }

// makeClips makes the provider of clips; attachClips joins it to the ingest that has it.
func (n *node) makeClips() {
	c := n.cfg.Clips
	if c.Account != "" {
		n.player = brightcove.New(brightcove.Config{
			Account: c.Account, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Profile: c.Profile, CallbackURL: c.CallbackURL, CallbackSecret: c.CallbackSecret,
			OAuthURL: c.OAuthURL, CMSURL: c.CMSURL, IngestURL: c.IngestURL,
		}, n.log, n.reg)
	}
	n.clips = wsc.New(wsc.Config{ShowRendition: c.ShowRendition, CheckEvery: c.CheckEvery, Attempts: c.Attempts, Now: n.db.Now}, n.db, n.queue, n.player, n.log, n.reg)
}

func (n *node) attachClips() {
	n.clips.Attach(n.ingest)
	n.queue.Handle(wsc.TaskUpload, n.clips.Task)
	n.queue.Handle(wsc.TaskCheck, n.clips.Task)
	if c := n.cfg.Clips; c.PullKey != "" {
		puller := wsc.NewPuller(wsc.PullConfig{URL: c.PullURL, Key: c.PullKey, PageSize: c.PullPage}, n.clips, nil, n.log)
		n.jobs.Add(wsc.PullLock, c.PullEvery, puller.Pull)
	}
}
