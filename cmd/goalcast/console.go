package main

import (
	"net/http"

	"goalcast/console"
	"goalcast/store/bus"
)

// addConsole serves the operator's page beside the admin API that it is made of.
func (n *node) addConsole(mux *http.ServeMux) {
	page := console.New(console.Config{API: n.rest.Admin(), Sessions: bus.NewSessions(n.redis, n.cfg.RedisPrefix)},
		n.log)
	mux.Handle(console.Path, page)
	mux.Handle("GET /{$}", http.RedirectHandler(console.Path, http.StatusSeeOther))
}
