package uof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"goalcast/internal/dial"
)

const (
	exchange  = "unifiedfeed"
	heartbeat = 10 * time.Second
	football  = 1 // the provider's id of the sport
)

// connection is a subscription to the feed. The library waits for ever where the network goes away
// in the middle of a call, so that each call ends by our closing the socket below it.
type connection struct {
	socket     net.Conn
	library    *amqp.Connection
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error // buffered: told once
	closeTime  time.Duration
}

// limitedSocket gives each write a deadline.
type limitedSocket struct {
	net.Conn
	limit time.Duration
}

func (s limitedSocket) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.limit)); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

// connect dials and subscribes.
func connect(ctx context.Context, cfg *Config, virtualHost string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTime)
	defer cancel()
	c := &connection{closed: make(chan *amqp.Error, 1), closeTime: cfg.WriteTime}
	var inTime func() bool // false: the socket was closed in between
	config := amqp.Config{
		// no password
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: cfg.Token}}, Vhost: virtualHost, Heartbeat: heartbeat,
		Locale: "en_US", TLSClientConfig: cfg.TLS.Clone(), Properties: amqp.Table{"connection_name": "goalcast"},
		Dial: func(network, address string) (net.Conn, error) {
			socket, err := dial.New().DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			c.socket = limitedSocket{socket, cfg.WriteTime}
			inTime = context.AfterFunc(ctx, func() { _ = socket.Close() })
			return c.socket, nil
		},
	}
	err := c.subscribe(cfg, config)
	if inTime != nil && !inTime() {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("feed: %w", err)
	}
	return c, nil
}

func (c *connection) subscribe(cfg *Config, config amqp.Config) (err error) {
	if c.library, err = amqp.DialConfig(cfg.AMQP, config); err != nil {
		return err
	}
	c.library.NotifyClose(c.closed)
	if c.channel, err = c.library.Channel(); err != nil {
		return err
	}
	if err = c.channel.Qos(cfg.Prefetch, 0, false); err != nil {
		return err
	}
	// The server names the queue, and deletes it with the connection.
	queue, err := c.channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	for _, key := range bindings(cfg.Node) {
		if err := c.channel.QueueBind(queue.Name, key, exchange, false, nil); err != nil {
			return err
		}
	}
	c.deliveries, err = c.channel.Consume(queue.Name, "", false, true, false, false, nil)
	return err
}

// bindings are the routing keys that we want: priority, before the match, during it, kind, sport,
// kind of id, id, node. System messages have no sport. With a node, what others have asked for does
// not come here.
func bindings(node int) []string {
	sport := "*.*.*.*." + strconv.Itoa(football) + ".*.*."
	if node == 0 {
		return []string{"-.-.-.#", sport + "#"}
	}
	return []string{"-.-.-.#", sport + "-.#", sport + strconv.Itoa(node) + ".#"}
}

// ended is why there are no more deliveries.
func (c *connection) ended() error {
	select {
	case err := <-c.closed:
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
	default:
	}
	return errors.New("feed: the server ended the subscription")
}

// close ends the connection, politely where that takes no time, and waits until the library has
// let go of it.
func (c *connection) close() {
	if c.socket == nil {
		return
	}
	late := time.AfterFunc(c.closeTime, func() { _ = c.socket.Close() })
	defer late.Stop()
	if c.library != nil {
		_ = c.library.CloseDeadline(time.Now().Add(c.closeTime)) // also where it was closed already
	}
	_ = c.socket.Close()
	if c.deliveries != nil {
		for range c.deliveries { // the library does not end before they are taken
		}
	}
}
