package uof

import (
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		id              int64
		specifiers, key string
		selections      string // "outcome=key ..."
	}{
		{1, "", "1x2", "1=home 2=draw 3=away 9=9"},
		{10, "", "dc", "9=home_draw 10=home_away 11=draw_away"},
		{11, "", "dnb", "4=home 5=away"},
		{18, "total=2.5", "ou:2.5", "12=over 13=under"},
		{18, "total=2", "ou:2", ""},
		{18, "total=2.50", "ou:2.5", ""},
		{18, "total=2.5|variant=sr:x", "uof:18:total:2.5/variant:sr:x", "12=12"},
		{18, "", "uof:18", "12=12"},
		{16, "hcp=-1.5", "ah:-1.5", "1714=home 1715=away"},
		{16, "hcp=+0.25", "ah:0.25", ""},
		{16, "hcp=-0", "ah:0", ""},
		{16, "hcp=0:1", "uof:16:hcp:0:1", ""},
		{29, "", "btts", "74=yes 76=no"},
		{45, "", "cs", "274=0-0 276=1-0 284=0-1 286=1-1 322=4-4 324=other"},
		{1, "score=1:0", "uof:1:score:1:0", "1=1"},
		{123, "set=2|game=3|point=1", "uof:123:game:3/point:1/set:2", "sr:player:1=sr:player:1"},
		{123, "point=1|set=2|game=3", "uof:123:game:3/point:1/set:2", ""},
		{145, "variant=sr:point_range:76+", "uof:145:variant:sr:point_range:76+", ""},
		{7, "a=b/c", "", ""},
		{7, "a=é", "", ""},
		{7, "a=" + strings.Repeat("x", 100), "", ""},
	} {
		key, ok := marketKey(tt.id, tt.specifiers)
		if ok != (tt.key != "") || ok && key != tt.key {
			t.Errorf("market %d %q: %q, %v; want %q", tt.id, tt.specifiers, key, ok, tt.key)
		}
		for _, pair := range strings.Fields(tt.selections) {
			outcome, want, _ := strings.Cut(pair, "=")
			if got, ok := selectionKey(tt.id, key, outcome); got != want || !ok {
				t.Errorf("market %d: outcome %s is %q, %v; want %q", tt.id, outcome, got, ok, want)
			}
		}
	}
	if _, ok := selectionKey(7, "uof:7", "a b"); ok {
		t.Error("a selection with a space")
	}
}
