package shard

import (
	"encoding/json"
	"fmt"
	"testing"

	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
)

// TestBatchesFollow gives out batches of prices: the frames of one are a stream, which goes on
// where the batch before ended, unless something came between.
func TestBatchesFollow(t *testing.T) {
	w := newWriting(t, 1, frame.Context, false)
	table := w.shard.topics[goalcast.ForOdds(1)].followed.Table
	for round := range 6 {
		w.prices(table)
		if round == 4 {
			w.event(true)
		}
		_, total := w.shard.gather(w.conn)
		plan := w.shard.plan[len(w.shard.plan)-1]
		alone := plan.batch.Alone(frame.Deflate).Bytes
		fresh, _ := plan.batch.Encode(frame.Context, 0)
		next := plan.run != fresh
		if next != (round != 0 && round != 4) || len(plan.run.Ends) != 10 || 10*len(plan.bytes) > 5*len(alone) ||
			next && 10*len(plan.bytes) > 4*len(alone) {
			t.Errorf("round %d: %d bytes in %d frames, %d by themselves; it goes on: %v", round, len(plan.bytes),
				len(plan.run.Ends), len(alone), next)
		}
		w.shard.consume(w.conn, total)
	}
}

// prices changes ten prices and begins a flush.
func (w *writing) prices(table *follow.Table) {
	for key := range 10 {
		w.versions++
		st := goalcast.State{Topic: table.Topic, Key: fmt.Sprint("market/1x2/", key), Version: testTime.UnixMilli() +
			w.versions, At: testTime.UnixMilli(),
			Value: fmt.Appendf(nil, `{"price":%d}`, w.rng.IntN(9000))}
		table.Set(st, testTime, 1000, w.deflater)
	}
	w.shard.statesChanged(table)
	w.shard.flushStates()
}

// TestLongerBatchesAreShared: what one viewer lacks alone is not compressed for it; what several
// lack is, once.
func TestLongerBatchesAreShared(t *testing.T) {
	w := newWriting(t, 1, frame.Context, false)
	table := w.shard.topics[goalcast.ForOdds(1)].followed.Table
	w.prices(table)
	w.prices(table)
	w.shard.gather(w.conn)
	first := w.shard.plan[0]
	if alone := first.batch.Alone(frame.Deflate); first.run != alone || first.window != 0 || len(alone.Ends) != 10 {
		t.Errorf("the first gets a stream of its own")
	}
	var shared *frame.Run
	for i := range 3 {
		c := &Conn{fd: -1, encoding: frame.Context, lags: append([]lag(nil), w.conn.lags...)}
		w.shard.gather(c)
		next := w.shard.plan[0]
		fresh, _ := next.batch.Encode(frame.Context, 0)
		if next.run != fresh || next.window == 0 || 2*len(next.bytes) > len(first.bytes) || i > 0 &&
			next.run != shared {
			t.Errorf("another gets %d bytes, the first %d; its window ends with %x", len(next.bytes), len(first.bytes),
				next.window)
		}
		shared = next.run
	}
	w.prices(table)
	if again := w.shard.flushes.batch(w.conn.lags[0]); again == first.batch || again.Upto == first.batch.Upto {
		t.Error("what was put together before a flush is sent after it")
	}
}

// TestPricesThatOvertookTheirGateComeAgain: a flush sees prices whose gate is still in the inbox,
// and gives them out. Viewers take them for void when the gate comes, so that they come again
// behind it, also to one that has been sent them and lacks others.
func TestPricesThatOvertookTheirGateComeAgain(t *testing.T) {
	for _, lacking := range []bool{false, true} {
		w := newWriting(t, 1, frame.WebSocket, false)
		topic := w.shard.topics[goalcast.ForOdds(1)]
		table := topic.followed.Table
		take := func(st goalcast.State) *Gate {
			st.Topic = table.Topic
			_, _, gate := table.Take(st, testTime, 1000, w.deflater)
			return &Gate{Table: table, GateChange: gate}
		}
		gate := func(version int64, state goalcast.GateState) *Gate {
			return take(goalcast.State{Key: goalcast.GateKey, Version: version,
				Value: goalcast.Gate{State: state, Since: version}.Encode()})
		}
		price := func(version int64) {
			take(goalcast.State{Key: "1x2", Version: version, Value: json.RawMessage(`{}`)})
			w.shard.statesChanged(table)
			w.shard.flushStates()
		}
		sent := func() {
			_, total := w.shard.gather(w.conn)
			w.shard.consume(w.conn, total)
		}
		w.shard.gate(gate(1, goalcast.GateOpen))
		price(1)
		sent()
		inbox := []*Gate{gate(2, goalcast.GateSuspended), gate(3, goalcast.GateOpen)}
		price(3)
		sent() // ahead of its gate
		if lacking {
			price(4)
		}
		for _, op := range inbox {
			w.shard.gate(op)
		}
		w.shard.flushStates()
		if len(w.conn.lags) != 1 {
			t.Fatalf("lacking %t: it lacks %d topics", lacking, len(w.conn.lags))
		}
		if n := len(w.shard.flushes.batch(w.conn.lags[0]).Updates); n != 1 {
			t.Errorf("lacking %t: %d prices come behind the gate", lacking, n)
		}
		sent()
		if w.shard.flushStates(); len(w.conn.lags) != 0 {
			t.Errorf("lacking %t: and again", lacking)
		}
	}
}
