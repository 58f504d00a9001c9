package e2e

import (
	"cmp"
	"os"
	"os/exec"
	"testing"
	"time"

	"goalcast"
)

// TestVersionBefore runs two versions side by side, as a deploy does: the schema is brought up to
// date while the program before serves, either version's documents reach viewers of both, and
// viewers go from one version's hub to the other's and back with their cursors. The program before
// is GOALCAST_TEST_BEFORE: `make upgrade` builds it. Without it both are this version: that viewers
// and documents go from one process to the other is shown all the same.
func TestVersionBefore(t *testing.T) {
	before := cmp.Or(os.Getenv("GOALCAST_TEST_BEFORE"), program)
	env := onServers(t)
	m := simulatedMatch()
	old := func(roles string) *process {
		p := launchCommand(t, []string{before}, env, "serve", "--roles="+roles)
		p.waitReady()
		return p
	}
	oldIngest, oldHub := old("ingest,rest"), old("hub,rest")
	all, movers := map[string]*viewer{}, map[string]*viewer{}
	for name, over := range transports {
		for _, kind := range []string{"stays", "moves"} {
			v := newViewer(t, oldHub.public, over, goalcast.ForMatch(m.id))
			v.polls = name == "poll"
			v.join()
			all[name+" "+kind] = v
			if kind == "moves" {
				movers[name] = v
			}
		}
	}
	part := 0
	play := func(to *process) {
		t.Helper()
		from := part * len(m.docs) / 5
		part++
		for _, d := range m.docs[from : part*len(m.docs)/5] {
			if _, err := to.post(d); err != nil {
				t.Fatal(err)
			}
		}
		to.waitFinished()
	}
	move := func(to *process, meanwhile func()) {
		t.Helper()
		for _, v := range movers {
			v.Cut()
			v.Move(to.public)
		}
		meanwhile()
		for _, v := range movers {
			v.join()
		}
	}
	everybody := func(what string) {
		t.Helper()
		s, err := oldHub.snapshot(m.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range all {
			v.waitSeq(m.id, s.Seq)
		}
		t.Logf("%s: all viewers at %d", what, s.Seq)
	}

	play(oldIngest)
	everybody("the version before alone")
	migrate := exec.Command(program, "migrate")
	migrate.Env = append(os.Environ(), env...)
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("goalcast migrate: %v\n%s", err, out)
	}
	play(oldIngest)
	everybody("the version before at the new schema")
	newIngest, newHub := start(t, env, "serve", "--roles=ingest,rest"), start(t, env, "serve", "--roles=hub,rest")
	move(newHub, func() { play(newIngest) })
	everybody("new ingest, cursors of the old hub at the new one")
	move(oldHub, func() { play(oldIngest) })
	everybody("old ingest, cursors of the new hub at the old one")
	oldIngest.stop(30 * time.Second)
	oldAgain := old("ingest,rest") // the way back: it starts at a schema that it does not know
	move(newHub, func() { play(oldAgain) })
	everybody("the old program started at the new schema")

	alone := start(t, onServers(t), "serve", "--roles=ingest,rest")
	for _, d := range m.docs {
		if _, err := alone.post(d); err != nil {
			t.Fatal(err)
		}
	}
	alone.waitFinished()
	want := alone.match(m.id)
	if want.State != goalcast.Finished {
		t.Fatalf("a process alone: %s", want.State)
	}
	for name, v := range all {
		checkOneMatch(t, env, want, v)
		if n := v.Resets(); n > 0 {
			t.Errorf("%s: %d resets", name, n)
		}
	}
}
