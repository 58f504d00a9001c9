package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"goalcast/internal/problem"
)

// readJSON reads a request's body, at most limit bytes, into a struct. Fields that it does not have
// are refused: a misspelt one must not look accepted. So is text that is not UTF-8: a WebSocket
// client closes its connection when it gets such a frame.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	text, err := readText(w, r, limit)
	if err != nil {
		return err
	}
	return decodeJSON(text, into)
}

// readText reads a request's body, which says that it is JSON and is UTF-8.
func readText(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || kind != "application/json" || charset != "" &&
		!strings.EqualFold(charset, "utf-8") {
		return nil, problem.New(http.StatusUnsupportedMediaType, "not_json", "want Content-Type: application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, fmt.Errorf("body: %w", err)
		}
		return nil, badBody("it ended early")
	}
	if !utf8.Valid(text) {
		return nil, badBody("it is not UTF-8")
	}
	return text, nil
}

// decodeJSON reads a struct.
func decodeJSON(text []byte, into any) error {
	if string(bytes.TrimSpace(text)) == "null" { // which the decoder takes for an object without fields
		return badBody("want a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return bodyProblem(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badBody("something follows the JSON object")
	}
	return nil
}

func badBody(why string) error {
	return problem.New(http.StatusBadRequest, "bad_body", "the body cannot be read: "+why)
}

// bodyProblem says what is wrong with a body without the decoder's words, which hold names of Go
// types.
func bodyProblem(err error) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	field, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case unknown:
		return badParameter(strings.Trim(field, `"`), "there is no such field")
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return badParameter(wrongType.Field, "not a %s", wrongType.Value)
	case errors.As(err, &wrongType):
		return badBody("want a JSON object")
	case errors.As(err, &syntax):
		return badBody(fmt.Sprintf("it is not JSON at byte %d", syntax.Offset))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBody("the JSON text is not complete")
	}
	return badBody("not the JSON wanted here")
}

// writeJSON answers what is for one client only; caches are told so by the private middleware.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has gone
	return nil
}
