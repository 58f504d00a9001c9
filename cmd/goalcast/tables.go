package main

import (
	"goalcast"
	"goalcast/ingest/table"
	"goalcast/store"
)

// makeTables makes what keeps tables as they stand.
func (n *node) makeTables() {
	n.tables = table.New(n.board, n.db, n.bus, store.NewLeases(n.db, n.log), n.log, n.reg)
}

// tableWaker takes an event on the bus as a hint that a table may have changed.
type tableWaker struct{ tables *table.Runner }

func (w tableWaker) Event(p goalcast.Published) {
	for _, t := range p.Event.Topics {
		if t.Kind == goalcast.CompetitionTopic && p.Event.Seq > 0 {
			w.tables.Wake(goalcast.CompetitionID(t.ID))
		}
	}
}
func (tableWaker) State(goalcast.State)                    {}
func (tableWaker) Reread(goalcast.Topic, []goalcast.State) {}
func (tableWaker) Reset(goalcast.Cursor)                   {}
func (tableWaker) Stale(bool)                              {}
