package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// Browsers is a Sender to the subscriptions of browsers (goalcast.Subscription). Each maker of a
// browser has a push service of its own, and each of these can refuse us alone.
type Browsers interface {
	Sender
	// Services are the names of all push services, for metrics.
	Services() []string
	// Service is the name of the one that a subscription is of; "" for one that is not sent to.
	Service(token string) string
}

// service is a push service. What it says of our credentials says nothing of another.
type service struct {
	name    string
	sender  Sender
	limiter Limiter // nil: there is none, or it is its Sender's
	stopped prometheus.Gauge
	brake   brake
}

// services are all that this process sends to.
type services struct {
	phones   *service // nil: none
	bank     *service // nil: none
	browsers Browsers // nil: none
	byName   map[string]*service
	all      []*service
}

// What push services are called whose Sender does not say its name.
const (
	appsName = "apps"
	bankName = "bank"
)

func newServices(phones Sender, cfg Config, stopped *prometheus.GaugeVec) services {
	s := services{browsers: cfg.Browsers, byName: map[string]*service{}}
	add := func(name string, sender Sender, limiter Limiter) *service {
		if n, ok := sender.(interface{ Service() string }); ok {
			name = n.Service()
		}
		one := &service{name: name, sender: sender, limiter: limiter, stopped: stopped.WithLabelValues(name)}
		s.all = append(s.all, one)
		return one
	}
	if phones != nil {
		s.phones = add(appsName, phones, cfg.Limiter)
	}
	if cfg.Bank != nil {
		s.bank = add(bankName, cfg.Bank, nil)
	}
	if cfg.Browsers != nil {
		for _, name := range cfg.Browsers.Services() {
			s.byName[name] = add(name, cfg.Browsers, nil)
		}
	}
	return s
}

// of is the push service that reaches a device; nil for none.
func (s services) of(d goalcast.Device) *service {
	switch {
	case d.Platform == goalcast.PlatformBank:
		return s.bank
	case !goalcast.IsSubscription(d.Token):
		return s.phones
	case s.browsers == nil:
		return nil
	}
	return s.byName[s.browsers.Service(d.Token)]
}

// enter asks which services may be sent to; leave says that what was to be sent is dealt with. ok
// is false if none may.
func (s services) enter(now time.Time) (open map[*service]bool, leave func(), ok bool) {
	open = map[*service]bool{}
	var leaves []func()
	for _, one := range s.all {
		if leave, ok := one.brake.enter(now); ok {
			open[one] = true
			leaves = append(leaves, leave)
		}
	}
	return open, func() {
		for _, leave := range leaves {
			leave()
		}
	}, len(open) > 0
}

// What is said of a message that was not sent to any service.
const (
	reasonStopped   = "stopped"    // its service takes nothing from us for now
	reasonNoService = "no_service" // none is configured that reaches the device
)

var errNoService = errors.New("no push service is configured that reaches the device")

// parcel is what goes to one service: messages by their place in the batch.
type parcel struct {
	to     *service
	places []int
}

// parcels divides a batch by service. What goes to none has its result at once.
func (n *Notifier) parcels(devices []goalcast.Device, open map[*service]bool) (out []*parcel, results []Result) {
	results = make([]Result, len(devices))
	by := map[*service]*parcel{}
	now := n.now()
	for i, d := range devices {
		to := n.services.of(d)
		switch {
		case to == nil:
			results[i] = Result{Outcome: Rejected, Reason: reasonNoService, Err: errNoService}
			continue
		case !open[to]:
			results[i] = Result{Outcome: Later, Reason: reasonStopped, After: to.brake.rest(now)}
			continue
		case by[to] == nil:
			by[to] = &parcel{to: to}
			out = append(out, by[to])
		}
		by[to].places = append(by[to].places, i)
	}
	return out, results
}

// deliver sends the parcels, all at the same time, and puts the answers in their places.
func (n *Notifier) deliver(ctx context.Context, parcels []*parcel, messages []Message, results []Result) error {
	errs := make([]error, len(parcels))
	var wg sync.WaitGroup
	for i, p := range parcels {
		wg.Go(func() { errs[i] = n.deliverOne(ctx, p, messages, results) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *Notifier) deliverOne(ctx context.Context, p *parcel, messages []Message, results []Result) error {
	for done := 0; done < len(p.places); {
		places := p.places[done:min(len(p.places), done+n.cfg.BatchSize)]
		part := make([]Message, len(places))
		for i, place := range places {
			part[i] = messages[place]
		}
		answers := p.to.sender.Send(ctx, part)
		if len(answers) != len(part) {
			return fmt.Errorf("push service answered %d of %d messages", len(answers), len(part))
		}
		for i, place := range places {
			results[place] = answers[i]
		}
		done += len(places)
	}
	return nil
}

// standing is what is known of a service by its answers to a batch.
type standing struct {
	judgement
	stop time.Duration // how long nothing is sent to it; 0 if all is well
}

// standings judges the services by their parcels.
func (n *Notifier) standings(parcels []*parcel, devices []goalcast.Device, results []Result) map[*service]standing {
	out := map[*service]standing{}
	for _, p := range parcels {
		asked, answers := make([]goalcast.Device, len(p.places)), make([]Result, len(p.places))
		for i, place := range p.places {
			asked[i], answers[i] = devices[place], results[place]
		}
		j := judge(asked, answers)
		out[p.to] = standing{j, n.braked(p.to, j)}
	}
	return out
}
