package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// writeTimeout is how long the other side may take to accept a message.
const writeTimeout = 5 * time.Second

// webSocket reads the messages of a WebSocket.
func (c *connection) webSocket(ctx context.Context, transport http.RoundTripper, opened func() error) error {
	conn, res, err := websocket.Dial(ctx, c.cfg.URL, &websocket.DialOptions{
		HTTPHeader: c.cfg.Header.Clone(),
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if res != nil {
		c.quota(res)
	}
	switch {
	case err != nil && res != nil && res.StatusCode != http.StatusSwitchingProtocols:
		return refusal(res)
	case err != nil:
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(int64(c.cfg.Limits.Message))
	for _, message := range c.cfg.Subscribe {
		if err := write(ctx, conn, message); err != nil {
			return err
		}
	}
	if err := opened(); err != nil {
		return err
	}
	for {
		kind, text, err := conn.Read(ctx)
		switch {
		case errors.Is(err, websocket.ErrMessageTooBig):
			err = c.unreadable(nil, errTooLong)
		case err != nil:
			err = closing(err)
		case kind != websocket.MessageText:
			err = c.unreadable(nil, errBinary)
		default:
			err = c.message(text)
		}
		if err != nil {
			return err
		}
	}
}

func write(ctx context.Context, conn *websocket.Conn, message string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, []byte(message))
}

// closing is the error for a WebSocket that was closed. What the other side gave as its reason is
// not repeated.
func closing(err error) error {
	switch code := websocket.CloseStatus(err); {
	case code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway:
		return io.EOF
	case code != -1:
		return fmt.Errorf("closed with code %d", code)
	}
	return err
}
