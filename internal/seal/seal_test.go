package seal_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"goalcast/internal/seal"
)

// named is a key of 32 equal bytes.
func named(name string, b byte) string {
	return name + "=" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, seal.KeySize))
}

func parse(t *testing.T, text string) *seal.Keys {
	t.Helper()
	k, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreExchanged(t *testing.T) {
	old, both := parse(t, named("old", 1)), parse(t, named("new", 2)+"\n"+named("old", 1)+"\n")
	sealed := old.Seal("secret")
	if again := old.Seal("secret"); bytes.Equal(sealed, again) || bytes.Contains(sealed, []byte("secret")) {
		t.Errorf("%q, %q", sealed, again)
	}
	if got, err := both.Open("old", sealed); got != "secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if both.Current() != "new" || !slices.Equal(both.Names(), []string{"new", "old"}) {
		t.Errorf("%v", both.Names())
	}
	if _, err := old.Open("new", both.Seal("secret")); err == nil || !strings.Contains(err.Error(), `"new"`) {
		t.Errorf("opened without its key: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if got, err := both.Open("old", sealed); err == nil {
		t.Errorf("changed, and opened: %q", got)
	}
	if a, b := old.Lookup("secret"), both.Lookup("secret"); len(b) != 2 || a[0] != b[1] || b[0] == b[1] ||
		a[0] == old.Lookup("Secret")[0] {
		t.Errorf("%v, %v", a, b)
	}
}

func TestWrongKeysAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"": "no key", " ,\n": "NAME=KEY", "a b=" + strings.Repeat("A", 44): "NAME=KEY",
		"k=c2hvcnQ=": `"k" is not 32 bytes`, "k=%%%": `"k" is not 32 bytes`,
		named("k", 1) + "," + named("k", 2): "twice",
	} {
		if _, err := seal.Parse(text); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
