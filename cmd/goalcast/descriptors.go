package main

// shares is how the files that a process may open are divided, so that no audience and no attack
// takes those that goals need. Zero is no limit.
type shares struct {
	viewers  int // live connections
	requests int // other connections of the public address
	admin    int // connections of the admin address; part of the reserve
}

// What is set aside: for the database (store.PoolSize), Redis (10 a core and the subscriptions),
// push services and files some 250, and as many for the admin address.
const (
	reservedFiles = 512
	adminConns    = 256
)

// maxRequests is httpserver's default; of few files it is an eighth.
const maxRequests = 4096

// shareOut divides them. 0 is no known limit.
func shareOut(files int) shares {
	if files <= 0 {
		return shares{requests: maxRequests, admin: adminConns}
	}
	reserve := min(reservedFiles, files/4)
	left := files - reserve
	requests := max(1, min(maxRequests, left/8))
	return shares{viewers: max(1, left-requests), requests: requests, admin: max(1, min(adminConns, reserve/2))}
}

// maxViewers is the setting, or what there are files for if that is less.
func (n *node) maxViewers() int {
	limit := n.cfg.MaxConns
	switch {
	case n.shares.viewers == 0:
		return limit
	case limit == 0:
		return n.shares.viewers
	case limit > n.shares.viewers:
		n.log.Warn("fewer viewers than configured: the process may not open more files; raise ulimit -n",
			"GOALCAST_MAX_CONNECTIONS", limit, "viewers", n.shares.viewers)
	}
	return min(limit, n.shares.viewers)
}
