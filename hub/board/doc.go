// Package board holds the matches as they stand, in memory: the read model that the hub and REST
// share.
//
// A match or list is read from the source when somebody first asks for it, once however many ask,
// and kept fresh by the events of the bus from then on. Nothing here knows connections or frames:
// the hub makes those of what View gives.
//
// One mutex guards a Board. Each reading has a goroutine of its own, which ends by itself within
// Config.LoadTimeout, whoever waits for it; nobody holds the mutex while a source is asked or JSON
// is encoded.
package board
