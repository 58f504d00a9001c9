package client

// With sets the source of random numbers, 0 <= x < 1.
func (o *Options) With(random func() float64) { o.random = random }
