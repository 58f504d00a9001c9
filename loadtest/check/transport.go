package check

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
)

// Transport connects to a node for topics ("match:1,team:2", and what else the query is to have),
// from a cursor if there is one. It calls frame for each frame, with the id that an event stream
// gave it, and returns when the connection is over, however it ended.
type Transport func(ctx context.Context, base, topics, since string, frame func(id string, text []byte)) error

// Transports are all that there are, by name.
var Transports = map[string]Transport{"websocket": WebSocket, "sse": SSE, "poll": Poll}

// maxFrame is the longest message that a viewer reads: a competition's snapshot has a season.
const maxFrame = 4 << 20

// WebSocket is a Transport.
func WebSocket(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws%s/v1/live?topics=%s&since=%s", strings.TrimPrefix(base, "http"),
		topics, since), nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(maxFrame)
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		frame("", text)
	}
}

// SSE is a Transport as a browser's EventSource is one: it comes back with the last id in a header.
func SSE(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/live?topics="+topics, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if since != "" {
		request.Header.Set("Last-Event-ID", since)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	lines := bufio.NewReader(answer.Body)
	var id, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); name {
		case "id":
			id = strings.TrimPrefix(value, " ")
		case "data":
			data += strings.TrimPrefix(value, " ")
		case "":
			if line == "\n" && data != "" {
				frame(id, []byte(data))
				id, data = "", ""
			}
		}
	}
}

// Poll is a Transport of long polls, one after the other. It ends with the first that fails.
func Poll(ctx context.Context, base, topics, since string, frame func(string, []byte)) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			fmt.Sprintf("%s/v1/live?topics=%s&since=%s&wait=5s", base, topics, since), nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %w", answer.Status, err)
		}
		var polled struct {
			Cursor string
			Frames []json.RawMessage
		}
		if err := json.Unmarshal(text, &polled); err != nil {
			return err
		}
		for _, f := range polled.Frames {
			frame("", f)
		}
		since = polled.Cursor
	}
	return ctx.Err()
}
