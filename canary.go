package goalcast

// The canary match is a match that is played nowhere: package canary scores its goal again and
// again, and looks whether the goal comes out wherever goals come out. It has no teams, no
// competition and no kick-off, and its goal says nothing but when it was posted.
//
// Whoever asks for it by its id gets it, as the canary does: that is the way which is tested. It
// is in no list, nothing of it is pushed, partners are not told of it, and no document but the
// canary's own may tell of it.
const (
	// CanaryMatch is its id: the largest that a script in a browser can count to.
	CanaryMatch MatchID = 1<<53 - 1
	// CanaryFeed is the provider of its documents, which has a secret of its own, and the source in
	// them.
	CanaryFeed = "canary"
)
