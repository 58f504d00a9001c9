package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Service is the name of the one that an endpoint is of, or that one is of that begins so; ""
	// for one that is not sent to.
	Service(endpoint string) string
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
	apps     map[string]*service // by Device.App; none for "": nothing is sent to devices that name none
	bank     *service            // nil: none
	browsers Browsers            // nil: none
	byName   map[string]*service
	all      []*service
}

// What push services are called whose Sender does not say its name.
const (
	appsName = "apps"
	bankName = "bank"
)

func newServices(phones Sender, cfg Config, stopped *prometheus.GaugeVec) services {
	s := services{browsers: cfg.Browsers, apps: map[string]*service{}, byName: map[string]*service{}}
	add := func(name string, sender Sender, limiter Limiter) *service {
		if n, ok := sender.(interface{ Service() string }); ok {
			name = n.Service()
		}
		one := &service{name: name, sender: sender, limiter: limiter, stopped: stopped.WithLabelValues(name)}
		s.all = append(s.all, one)
		return one
	}
	if phones != nil {
		first := add(appsName, phones, cfg.Limiter)
		s.apps[""], s.apps[cfg.App] = first, first
	}
	for _, app := range cfg.Apps {
		s.apps[app.Name] = add(appsName+":"+app.Name, app.Sender, app.Limiter)
	}
	if cfg.Bank != nil {
		s.bank = add(bankName, cfg.Bank, nil)
	}
	if cfg.Browsers != nil {
		for _, name := range cfg.Browsers.Services() {
			var limiter Limiter
			if cfg.BrowserLimiter != nil {
				limiter = cfg.BrowserLimiter(name)
			}
			s.byName[name] = add(name, cfg.Browsers, limiter)
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
		return s.apps[d.App]
	case s.browsers == nil:
		return nil
	}
	sub, _ := goalcast.ParseSubscription(d.Token)
	return s.byName[s.browsers.Service(sub.Endpoint)]
}

// ofCarrier is the push service of the apps that have a carrier.
func (s services) ofCarrier(carrier string) (*service, bool) {
	app, ok := goalcast.AppOfCarrier(carrier)
	if !ok || s.apps[app] == nil {
		return nil, false
	}
	return s.apps[app], true
}

// nameOf is the name of the push service that a carrier (goalcast.Device.Carrier) belongs to; ""
// for none.
func (s services) nameOf(carrier string) string {
	var of *service
	if app, ok := goalcast.AppOfCarrier(carrier); ok {
		of = s.apps[app]
	} else if carrier == goalcast.PlatformBank {
		of = s.bank
	} else if s.browsers != nil {
		return s.browsers.Service(carrier)
	}
	if of == nil {
		return ""
	}
	return of.name
}

// may says whether a service takes pushes; with nil, whether any does.
func (s services) may(of *service, now time.Time) bool {
	if of != nil {
		return of.brake.open(now)
	}
	return slices.ContainsFunc(s.all, func(one *service) bool { return one.brake.open(now) })
}

// lane is what waits in this process to be sent to a push service.
type lane struct {
	of    *service    // nil: to any
	ready chan string // ids of batches
	late  chan string // of those that are sent when none is ready
}

// newLanes makes a lane for each service, and one for batches that are not of one of them.
func newLanes(s services, backlog int) map[string]*lane {
	lanes := map[string]*lane{}
	for _, one := range append([]*service{nil}, s.all...) {
		l := &lane{of: one, ready: make(chan string, backlog), late: make(chan string, backlog)}
		if one == nil {
			lanes[""] = l
		} else {
			lanes[one.name] = l
		}
	}
	return lanes
}

// lane is the one of a push service.
func (n *Notifier) lane(service string) *lane {
	if l := n.lanes[service]; l != nil {
		return l
	}
	return n.lanes[""]
}

// shut are the push services whose lane takes no more for now, or that take nothing from us: what
// is for them does not hide what is for others.
func (n *Notifier) shut(late bool) []string {
	var names []string
	for name, l := range n.lanes {
		waiting := l.ready
		if late {
			waiting = l.late
		}
		if len(waiting) == cap(waiting) || !n.services.may(l.of, n.now()) {
			names = append(names, name)
		}
	}
	return names
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

// parcels divides a batch by service: most are of one. What goes to none, or to one that takes
// nothing, has its result at once; so has what is seen, by the places of its devices. leave says
// that what was to be sent is dealt with.
func (n *Notifier) parcels(devices []goalcast.Device, seen []bool) (out []*parcel, results []Result, leave func()) {
	results = make([]Result, len(devices))
	by := map[*service]*parcel{}
	now := n.now()
	open, closed := map[*service]func(){}, map[*service]bool{}
	enter := func(s *service) bool {
		if leave, ok := s.brake.enter(now); ok {
			open[s] = leave
		} else {
			closed[s] = true
		}
		return open[s] != nil
	}
	for i, d := range devices {
		to := n.services.of(d)
		switch {
		case to == nil:
			results[i] = Result{Outcome: Rejected, Reason: reasonNoService, Err: errNoService}
			continue
		case seen != nil && seen[i]:
			results[i] = Result{Outcome: Shown, Service: to.name}
			continue
		case closed[to], open[to] == nil && !enter(to):
			results[i] = Result{Outcome: Later, Reason: reasonStopped, After: to.brake.rest(now)}
			continue
		case by[to] == nil:
			by[to] = &parcel{to: to}
			out = append(out, by[to])
		}
		by[to].places = append(by[to].places, i)
	}
	return out, results, func() {
		for _, leave := range open {
			leave()
		}
	}
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
