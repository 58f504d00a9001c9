package partner

// Sign is for tests.
func (p Partner) Sign(id, seconds string, body []byte) string { return p.sign(id, seconds, body) }
