package generic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
)

// wrong is an error about one field, for whoever wrote the document.
func wrong(field, format string, args ...any) error {
	return &merge.FieldError{Field: field, Text: fmt.Sprintf(format, args...)}
}

// decode reads the JSON. It is strict about names: a field that is not known is a typo, and a typo
// must not look like "taken back". It is lenient about form: a number may be written as text and
// text as a number, and null is a field that is not there.
func decode(body []byte, mended *letters.Mended) (document, error) {
	var doc document
	text, err := letters.JSON(body, maxElements, mended)
	if err != nil {
		return doc, wrong("", "%v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return doc, wrong("", "not a match in JSON: %s%v", place(text, err), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return doc, wrong("", "something stands behind the JSON object")
	}
	if _, object := tree.(map[string]any); !object {
		return doc, wrong("", "not a match in JSON: want an object, not %s", shown(tree))
	}
	if err := fill("", tree, reflect.ValueOf(&doc).Elem()); err != nil {
		return doc, fmt.Errorf("not a match in JSON: %w", err)
	}
	return doc, nil
}

// place says where the JSON ends being JSON.
func place(text []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return ""
	}
	before := text[:min(len(text), max(0, int(syntax.Offset)-1))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d: ", line, len(before)-bytes.LastIndexByte(before, '\n'))
}

// fill puts what stands in the JSON at path into out.
func fill(path string, in any, out reflect.Value) error {
	if in == nil {
		return nil
	}
	if out.Type() == reflect.TypeFor[time.Time]() {
		at, err := timeOf(path, in)
		out.Set(reflect.ValueOf(at))
		return err
	}
	switch out.Kind() {
	case reflect.Pointer:
		v := reflect.New(out.Type().Elem())
		out.Set(v)
		return fill(path, in, v.Elem())
	case reflect.Struct:
		object, ok := in.(map[string]any)
		if !ok {
			return wrong(path, "want an object, not %s", shown(in))
		}
		return fillStruct(path, object, out)
	case reflect.Slice:
		list, ok := in.([]any)
		if !ok {
			return wrong(path, "want a list, not %s", shown(in))
		}
		out.Set(reflect.MakeSlice(out.Type(), len(list), len(list)))
		for i, element := range list {
			if err := fill(fmt.Sprintf("%s[%d]", path, i), element, out.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.String:
		text, ok := in.(string)
		if n, number := in.(json.Number); number {
			text, ok = n.String(), true
		}
		if !ok {
			return wrong(path, "want text, not %s", shown(in))
		}
		out.SetString(text)
		return nil
	case reflect.Bool:
		switch in {
		case true, "true":
			out.SetBool(true)
		case false, "false":
			out.SetBool(false)
		default:
			return wrong(path, "want true or false, not %s", shown(in))
		}
		return nil
	}
	n, ok := integer(in)
	if !ok || out.OverflowInt(n) || n > exact || n < -exact {
		return wrong(path, "want a whole number, at most %d, not %s", int64(exact), shown(in))
	}
	out.SetInt(n)
	return nil
}

func fillStruct(path string, object map[string]any, out reflect.Value) error {
	known := fields(out)
	filled := map[string]bool{}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several errors the same one is told
	for _, name := range names {
		at := strings.TrimPrefix(path+"."+name, ".")
		field, ok := known[strings.ToLower(name)]
		if !ok {
			return wrong(letters.Cut(at, 200, new(letters.Mended)), "there is no such field")
		}
		if filled[strings.ToLower(name)] {
			return wrong(at, "stands here twice")
		}
		filled[strings.ToLower(name)] = true
		if err := fill(at, object[name], field); err != nil {
			return err
		}
	}
	return nil
}

// fields are a struct's fields by their names in JSON, with those of structs embedded in it.
func fields(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			for name, field := range fields(v.Field(i)) {
				out[name] = field
			}
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			out[name] = v.Field(i)
		}
	}
	return out
}

func timeOf(path string, in any) (time.Time, error) {
	text, ok := in.(string)
	if ok && text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(strings.TrimSpace(text)))
	if !ok || err != nil {
		return at, wrong(path, "want a time like 2026-05-17T14:30:00Z, not %s", shown(in))
	}
	if year := at.UTC().Year(); year < merge.FirstYear || year > merge.LastYear {
		return at, wrong(path, "want a time between the years %d and %d", merge.FirstYear, merge.LastYear)
	}
	return at, nil
}

// exact is the largest number of which JavaScript tells neighbours apart: ids above it would
// be others for viewers.
const exact = 1<<53 - 1

// integer reads a whole number, also one in text or with a fraction of zeros.
func integer(in any) (int64, bool) {
	text, ok := in.(string)
	if n, number := in.(json.Number); number {
		text, ok = n.String(), true
	}
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); ok && err == nil && !strings.HasPrefix(text, "+") {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || math.Trunc(f) != f || math.Abs(f) > exact || strings.ContainsAny(text, "xXpP_+nN") {
		return 0, false
	}
	return int64(f), true
}

// shown is a value of JSON for a message: short.
func shown(in any) string {
	switch v := in.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return strconv.Quote(letters.Cut(v, 40, new(letters.Mended)))
	case json.Number:
		return letters.Cut(v.String(), 40, new(letters.Mended))
	}
	return fmt.Sprint(in)
}

// matchOf reads a match's number as decode does.
func matchOf(text string) goalcast.MatchID {
	n, _ := integer(text)
	return goalcast.MatchID(max(0, n))
}
