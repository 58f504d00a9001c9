package opta

import (
	"encoding/xml"
	"testing"

	"goalcast/internal/samples"
)

// element is any element, for the peer: encoding/xml into a tree, which is what a reader without a
// lexer of its own would do first.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
}

// peerF24 and peerF9 are the peer at its best: only the fields that are needed, by reflection.
type peerF24 struct {
	Timestamp string `xml:"timestamp,attr"`
	Game      struct {
		ID     int64 `xml:"id,attr"`
		Events []struct {
			ID        int64  `xml:"id,attr"`
			Type      int    `xml:"type_id,attr"`
			Period    int    `xml:"period_id,attr"`
			Min       int    `xml:"min,attr"`
			Sec       int    `xml:"sec,attr"`
			Team      int64  `xml:"team_id,attr"`
			Player    int64  `xml:"player_id,attr"`
			Timestamp string `xml:"timestamp,attr"`
			Q         []struct {
				ID    int    `xml:"qualifier_id,attr"`
				Value string `xml:"value,attr"`
			} `xml:"Q"`
		} `xml:"Event"`
	} `xml:"Game"`
}

func BenchmarkF24(b *testing.B) {
	benchmark(b, "F24", "opta/f24/f24-23-2018-1009316-eventdetails.xml", func() any { return new(peerF24) })
}

func BenchmarkF9(b *testing.B) { benchmark(b, "F9", f9Live, func() any { return new(element) }) }

func BenchmarkF7(b *testing.B) { benchmark(b, "F7", pairs[1].f7, func() any { return new(element) }) }

func BenchmarkF1(b *testing.B) {
	benchmark(b, "F1", "opta/f1/srml-24-2011-results.xml", func() any { return new(element) })
}

// benchmark reads a real document with Read, and unmarshals the same bytes with encoding/xml, which
// does less: it makes no facts of them.
func benchmark(b *testing.B, feed, name string, into func() any) {
	body := samples.Read(b, name)
	doc := document(feed, string(body))
	p := New()
	b.Run("goalcast", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Read(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if err := xml.Unmarshal(body, into()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
