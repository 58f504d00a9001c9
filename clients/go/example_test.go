package client_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"goalcast"
	client "goalcast/clients/go"
)

// A screen of one match. Leaving the loop leaves the hub.
func ExampleLive() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	for event, err := range client.Live(ctx, client.Options{
		URL:    "https://live.example",
		Topics: []goalcast.Topic{goalcast.ForMatch(1009316)},
	}) {
		if err != nil {
			fmt.Println(err) // the hub refused for good; it is the last
			return
		}
		if event.Kind == goalcast.KindGoal {
			fmt.Println(event.Clock, event.Status, event.Now.Score)
		}
	}
}

// An app asks for the token of who watches when the hub wants one, shows what it knows while it has
// no connection, and goes on from there when it comes back to the foreground.
func ExampleClient() {
	live, err := client.New(client.Options{
		URL:    "https://live.example",
		Topics: []goalcast.Topic{goalcast.ForTeam(174), goalcast.ForOdds(1009316)},
		Token:  func(context.Context) (string, error) { return "eyJ...", nil }, // of the login
		OnStatus: func(s client.Status) {
			fmt.Println(s.Phase, s.Reason) // "reconnecting full", "live "
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	foreground := func(ctx context.Context) error { // until ctx ends
		for event, err := range live.Events(ctx) {
			var no *client.Refusal
			if errors.As(err, &no) && no.Code == goalcast.CodeUnauthorized {
				return err // somebody has to log in
			}
			if err != nil {
				return err
			}
			fmt.Println(event.Kind, event.Now)
			if price, ok := live.Price(1009316, "1x2", "home"); ok { // asked for whenever it is drawn
				fmt.Printf("%d.%03d\n", price/1000, price%1000)
			}
		}
		return nil
	}
	_ = foreground
}
