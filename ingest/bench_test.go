package ingest_test

import (
	"testing"
	"time"
)

// BenchmarkPostToApplied posts the documents of a real match to a real server with the embedded
// store in memory, one after the other, and waits for each to be applied and published.
func BenchmarkPostToApplied(b *testing.B) {
	documents, _ := evening(b, "second")
	for _, feed := range []string{"F7", "F24"} {
		b.Run(feed, func(b *testing.B) {
			b.StopTimer()
			var longest time.Duration
			for done := 0; done < b.N; {
				g := newGround(b)
				for n, d := range of(documents, feed) {
					if done++; done > b.N {
						break
					}
					b.StartTimer()
					begin := time.Now()
					g.post(b, d.body, d.headers)
					g.await(b, n+1)
					b.StopTimer()
					longest = max(longest, time.Since(begin))
				}
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		})
	}
}

func of(documents []pushed, feed string) (out []pushed) {
	for _, d := range documents {
		if d.feed == feed {
			out = append(out, d)
		}
	}
	return out
}
