package betfair

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"goalcast/internal/dial"
)

// The ways in which a connection ends; they are what the counter of connections says.
var (
	errBroken      = errors.New("betfair: connection broken")
	errSilent      = errors.New("betfair: nothing heard")
	errUnreadable  = errors.New("betfair: unreadable message")
	errProtocol    = errors.New("betfair: unexpected message")
	errLimit       = errors.New("betfair: over a limit")
	errUnreachable = errors.New("betfair: unreachable")
)

// ends are the errors by the words of the counter.
var ends = []struct {
	err  error
	word string
}{{ErrDelayed, "delayed"}, {ErrRefused, "refused"}, {errBroken, "broken"}, {errSilent, "silent"},
	{errUnreadable, "unreadable"}, {errProtocol, "protocol"}, {errLimit, "limit"}, {errUnreachable, "unreachable"}}

// conn is a connection. One goroutine uses it; another may close it.
type conn struct {
	net    net.Conn
	lines  *bufio.Scanner
	writes time.Duration // the time for a write
}

// connect dials Betfair and makes the connection end when ctx does. Who gets it calls close.
func (s *Source) connect(ctx context.Context) (c *conn, closeConn func(), err error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.cfg.TLS != nil {
		config = s.cfg.TLS.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(s.cfg.Address)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: address: %w", ErrRefused, err)
		}
		config.ServerName = host
	}
	limit, cancel := context.WithTimeout(ctx, s.cfg.Connect)
	defer cancel()
	raw, err := dial.New().DialContext(limit, "tcp", s.cfg.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	secured := tls.Client(raw, config)
	handshake, cancelHandshake := context.WithTimeout(ctx, s.cfg.Connect)
	defer cancelHandshake()
	if err := secured.HandshakeContext(handshake); err != nil {
		_ = raw.Close()
		return nil, nil, fmt.Errorf("%w: TLS: %w", errUnreachable, err)
	}
	// The connection below is closed: closing TLS would wait for who writes.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	lines := bufio.NewScanner(secured)
	lines.Buffer(make([]byte, 0, min(64<<10, s.cfg.MaxLine)), s.cfg.MaxLine)
	lines.Split(wholeLines)
	return &conn{secured, lines, s.cfg.Connect}, func() { stop(); _ = raw.Close() }, nil
}

// wholeLines splits as bufio.ScanLines does, but a last line without its end is none: the
// connection was cut in it.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	return i + 1, bytes.TrimSuffix(data[:i], []byte("\r")), nil
}

// read waits for the next line until the deadline, and returns it and its length.
func (c *conn) read(deadline time.Time) (m *message, size int, err error) {
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	if !c.lines.Scan() {
		switch err := c.lines.Err(); {
		case err == nil:
			return nil, 0, fmt.Errorf("%w: the other side closed it", errBroken)
		case errors.Is(err, bufio.ErrTooLong):
			return nil, 0, fmt.Errorf("%w: a line is too long", errLimit)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, 0, errSilent
		default:
			return nil, 0, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
	m = &message{}
	if err := json.Unmarshal(c.lines.Bytes(), m); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return m, len(c.lines.Bytes()), nil
}

// write sends a request as a line.
func (c *conn) write(request any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(c.writes)); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if _, err := c.net.Write(append(line, '\r', '\n')); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// authenticate waits for the greeting and shows key and session.
func (s *Source) authenticate(c *conn, session string) error {
	const id = 1
	greeting, _, err := c.read(time.Now().Add(s.cfg.Connect))
	if err != nil {
		return err
	}
	if greeting.Op == opStatus {
		return refused("connection", greeting)
	}
	if greeting.Op != opConnection {
		return fmt.Errorf("%w: %.20q instead of a greeting", errProtocol, greeting.Op)
	}
	if err := c.write(authentication{"authentication", id, s.cfg.AppKey, session}); err != nil {
		return err
	}
	answer, _, err := c.read(time.Now().Add(s.cfg.Connect))
	if err != nil {
		return err
	}
	if answer.Op != opStatus || answer.StatusCode != "SUCCESS" {
		return refused("authentication", answer)
	}
	s.log.Info("connected to betfair", "connection", greeting.ConnectionID)
	return nil
}

// refused is the error that an answer to a request means: ErrRefused where trying again the same
// way is of no use. Betfair's message is not part of it: it might repeat what we sent.
func refused(request string, answer *message) error {
	if answer.Op != opStatus {
		return fmt.Errorf("%w: %.20q answers %s", errProtocol, answer.Op, request)
	}
	if answer.StatusCode == "SUCCESS" {
		return fmt.Errorf("%w: %s: the other side closes it", errBroken, request)
	}
	switch answer.ErrorCode {
	case "TIMEOUT", "UNEXPECTED_ERROR", "CONNECTION_FAILED":
		return fmt.Errorf("%w: %s: %s", errBroken, request, answer.ErrorCode)
	}
	return fmt.Errorf("%w: %s: %.50s", ErrRefused, request, cmp.Or(answer.ErrorCode, "no reason given"))
}
