package console

// Writes are the paths of all that changes something.
func (c *Console) Writes() []string { return c.writes }
