package simulator

import (
	"math/rand/v2"
	"slices"
	"time"
)

// spoil makes things go wrong with a share of the postings, which come and go in order of time.
func (n Noise) spoil(rng *rand.Rand, posts []posting) []posting {
	if n == (Noise{}) {
		return posts
	}
	var more []posting
	for i, p := range posts {
		if rng.Float64() < n.Double {
			more = append(more, p)
		}
		if rng.Float64() < n.Late {
			late := p
			late.at += time.Duration(2+rng.IntN(20)) * time.Minute
			more = append(more, late)
		}
		if rng.Float64() < n.Swap {
			if j := nextOfMatch(posts, i); j > 0 {
				posts[i].at, posts[j].at = posts[j].at, posts[i].at
			}
		}
	}
	posts = append(posts, more...)
	slices.SortStableFunc(posts, func(a, b posting) int { return int(a.at - b.at) })
	return posts
}

// nextOfMatch finds the posting of the same match that follows the i-th; -1 if there is none.
func nextOfMatch(posts []posting, i int) int {
	for j := i + 1; j < len(posts); j++ {
		if posts[j].match == posts[i].match {
			return j
		}
	}
	return -1
}
