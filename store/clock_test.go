package store

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// ahead makes the database's clock differ from the process's.
func ahead(t *testing.T, s *Store, ms string) {
	t.Helper()
	s.dialect.now = "(" + s.dialect.now + " + " + ms + ")"
	if err := s.readClock(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// On one machine the store's clock is the machine's, however long the database took to answer.
func TestClockIsTheMachinesWhereItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := time.Now()
		time.Sleep(300 * time.Millisecond)
		read := time.UnixMilli(time.Now().UnixMilli())
		time.Sleep(100 * time.Millisecond)
		s := &Store{}
		if s.clock.set(read, asked); !s.Now().Equal(time.Now()) {
			t.Errorf("%v, the machine's clock says %v", s.Now(), time.Now())
		}
		for _, ahead := range []time.Duration{-time.Hour, time.Second} { // on two machines
			s.clock.set(read.Add(ahead), asked)
			if off := time.Until(s.Now()) - ahead; off.Abs() > 200*time.Millisecond {
				t.Errorf("%v from a clock that is %v ahead", off, ahead)
			}
		}
	})
}

func TestTimesAreTheDatabases(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ahead(t, s, "3600000")
		if off := s.Now().Sub(time.Now().Add(time.Hour)); off.Abs() > clockSlack {
			t.Errorf("the store's clock is %v from the database's", off)
		}
		score(t, s, 5, 1)
		var created int64
		if err := s.queryRow(t.Context(), `SELECT MIN(created) FROM outbox`).Scan(&created); err != nil {
			t.Fatal(err)
		}
		if off := fromMillis(created).Sub(time.Now().Add(time.Hour)); off.Abs() > patience {
			t.Errorf("a row of the outbox was created %v from the database's clock", off)
		}
	})
}

func TestJobsKeepTheClockRight(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	s.dialect.now = "(" + s.dialect.now + " + 3600000)"
	jobs := NewJobs(s, JobOptions{}, testLog(t), prometheus.NewRegistry())
	jobs.Add("x", time.Hour, func(context.Context) error { return nil })
	if due, err := jobs.due(t.Context()); err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	if s.Now().Before(time.Now().Add(30 * time.Minute)) {
		t.Error("a look at the jobs did not read the clock")
	}
}

// What was written by a clock that is ahead (a server that has failed since) does not wait until
// that time has come.
func TestRowsOfTheFutureDoNotWait(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		score(t, s, 5, 1)
		keep(t, s, goalcast.Document{Provider: "opta", Feed: "F9", Match: 5, Body: []byte("<x/>"), Received: s.Now()})
		look := func() (rows, documents int) {
			t.Helper()
			list, err := s.unpublished(t.Context(), s.Now().Add(-sweepAge), 10)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := s.UnfinishedDocuments(t.Context(), s.Now().Add(-10*time.Second), 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(list), len(ids)
		}
		ahead(t, s, "0")
		if rows, documents := look(); rows+documents != 0 {
			t.Errorf("%d rows and %d documents are old at once", rows, documents)
		}
		ahead(t, s, "-300000") // another server, whose clock is right
		if rows, documents := look(); rows != 2 || documents != 1 {
			t.Errorf("%d rows and %d documents of the future are due, want 2 and 1", rows, documents)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := newRig(t, "embedded")
		ear := r.listen()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = NewRelay(s, r.bus, testLog(t), prometheus.NewRegistry()).Run(ctx)
		}()
		ear.Until("two events", func() bool { return len(ear.All) == 2 })
		cancel()
		<-done
	})
}
