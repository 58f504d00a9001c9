# The commands of the project. `make test` is everything a change must pass; it installs what it needs on Debian and Ubuntu.

SHELL := /bin/bash
GO ?= go
PACKAGES := ./...

.PHONY: test quick deps lint vet unused alerts test-go test-made-up test-kubernetes test-js build program bench million bench-go matchday seeds upgrade fuzz clean

# The program first: what it is made of is then compiled, with the flags that all other steps use too. One
# step after the other: beside each other on two cores they starve tests that play a match in real time. The
# search for what is unused takes only what the tests leave.
test: deps program vet alerts
	$(MAKE) --no-print-directory -j2 test-go unused
	$(MAKE) --no-print-directory test-kubernetes
	$(MAKE) --no-print-directory test-made-up
	$(MAKE) --no-print-directory test-js

# What can be known in a minute: vet, lint, and the packages that need no servers, without the race detector.
quick: lint
	$(GO) test -vet=off $$($(GO) list -f '{{.ImportPath}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}' $(PACKAGES) | \
		grep -v -e internal/testservers -e /loadtest/ -e /e2e | cut -d' ' -f1)

# Redis, PostgreSQL, Chromium, Node.js: what the tests talk to.
deps:
	./scripts/install-test-servers.sh

# internal/lint has vet's rules and others; staticcheck finds besides what nobody uses. Both make much
# garbage: a quarter of their time went into collecting it.
lint: vet unused
FREELY := GOGC=800 GOMEMLIMIT=2GiB

vet:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) build -o tmp/ ./internal/lint
	$(FREELY) GOFLAGS="$(RACE)" $(GO) vet -vettool=$(CURDIR)/tmp/lint $(PACKAGES)

unused:
	$(GO) build -o tmp/ honnef.co/go/tools/cmd/staticcheck
	$(FREELY) GOFLAGS="$(RACE)" nice -n 19 tmp/staticcheck $(PACKAGES)

# Each alert fires when it should, and not when it should not.
alerts: deps
	promtool check rules deploy/alerts.yaml
	promtool test rules deploy/alerts_test.yaml

# The race detector watches all code but four libraries that are nothing but computing: SQLite in Go,
# Lua for the Redis in the process, compression, and reading XML. Watched, they took three quarters of the time. Never
# leave out a package of Go's own, or one that shares generic code of Go's with others: the linker keeps one
# copy of that code, and if it is the one that is not watched, locks in it are not seen and races reported
# that are none. Lint has the same flags, so that Go compiles each package once for all.
COMPUTING := modernc.org github.com/yuin/gopher-lua github.com/klauspost/compress github.com/tdewolff/parse
RACE := -race $(foreach module,$(COMPUTING),-gcflags=$(module)/...=-race=false)

# All tests, those packages first that take long. Lint has vetted them. A package more at a time than
# there are two processors to run them, for much of a test is waiting for servers; and the race detector's
# second of sleep at the end of each process, 37 test binaries and all that they start, is left out.
SLOW := ./e2e ./hub ./loadtest/bench ./ingest ./store/... ./internal/testservers ./notify/... ./loadtest/simulator \
	./rest ./ingest/odds/... ./cmd/... ./ingest/opta/... ./hub/...
SAMPLED := $(CURDIR)/tmp/sampled
GO_TEST := GORACE=atexit_sleep_ms=20 $(GO) test $(RACE) -vet=off -count=1 -timeout 20m -p 3
test-go: program
	@rm -f $(SAMPLED)
	GOALCAST_TEST_SAMPLES_USED=$(SAMPLED) $(GO_TEST) $(SLOW) $(PACKAGES)

# Those tests that played providers' own documents, once more with the made-up ones, as in a clone that
# has no others. Left out is what costs much and takes its documents by the same helper as another of
# its package that is not left out (sampleMatches).
ONCE := TestThreeProcessesOneMatch
test-made-up: program
	if [ -s $(SAMPLED) ]; then GOALCAST_SAMPLES=made-up $(GO_TEST) \
		-run "^($$(cut -f2 $(SAMPLED) | grep -vwE '$(ONCE)' | sort -u | paste -sd '|'))$$" $$(cut -f1 $(SAMPLED) | sort -u); fi

# The manifests, by a module of its own: it reads them with Kubernetes' own types.
test-kubernetes:
	cd deploy/kubernetes/check && $(GO) test -count=1 ./...

test-js: program clients/js/node_modules/.package-lock.json loadtest/k6/node_modules/.package-lock.json
	cd clients/js && GOALCAST_BIN=$(CURDIR)/tmp/goalcast-under-test npm test
	cd loadtest/k6 && GOALCAST_BIN=$(CURDIR)/tmp/goalcast-under-test npm test

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund

build:
	$(GO) build -o tmp/goalcast ./cmd/goalcast

# goalcast as the tests of the whole program run it, in Go and in JavaScript.
program:
	$(GO) build $(RACE) -tags faults -o tmp/goalcast-under-test ./cmd/goalcast

# The rows of docs/benchmarks.md, beside Nchan; and the one with a million viewers, which takes ten minutes and all memory.
bench:
	./loadtest/bench/peers.sh
	$(GO) run ./loadtest/bench -out docs/benchmarks.md

million:
	$(GO) run ./loadtest/bench -rows million -repeat 1 -out docs/benchmarks.md

# The benchmarks of single packages, among them a goal's way from POST to socket and to the push service.
# The program they run is the one that is shipped, not the one under the race detector.
bench-go:
	$(GO) build -tags faults -o tmp/goalcast-measured ./cmd/goalcast
	GOALCAST_BIN=$(CURDIR)/tmp/goalcast-measured $(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./ingest/... ./store/... ./hub ./e2e

# A match day with all that breaks, as its plan has it: one of e2e/testdata/matchdays, or a path; `make matchday PLAN=soak
# FOR=8h` plays one day after the other. It is played by the program that is shipped, without the race detector, so
# that a plan's limits can be judged. A night takes 25 minutes.
PLAN ?= night
FOR ?=
matchday:
	$(GO) build -tags faults -o tmp/goalcast-measured ./cmd/goalcast
	GOALCAST_BIN=$(CURDIR)/tmp/goalcast-measured MATCHDAY_PLAN=$(PLAN) MATCHDAY_FOR=$(FOR) \
		$(GO) test -run 'TestMatchDay$$' -v -count=1 -timeout 24h ./e2e

# Many short match days in which processes die, connections end and viewers come and go as a seed decides, held
# against the invariants of loadtest/check: `make seeds SEEDS=20`; `make seeds SEED=1796034831` plays that one again.
SEEDS ?= 20
SEED ?=
seeds: program
	SEEDS=$(SEEDS) SEED=$(SEED) $(GO) test $(RACE) -run '^TestSeeds$$' -count=1 -v -timeout 24h ./e2e

# The program of the version before beside this one, and this version's migrations on 100,000 documents: docs/operations.md,
# "Upgrading". `make upgrade FROM=COMMIT`; without it, from the newest tag v* before this commit. It builds
# that version, and is no part of `make test`.
FROM ?= $(shell git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null)
upgrade:
	@[ -n "$(FROM)" ] || { echo "no tag v* is there: make upgrade FROM=COMMIT"; exit 2; }
	rm -rf tmp/before && mkdir -p tmp/before
	git archive $(FROM) | tar x -C tmp/before
	cd tmp/before && $(GO) build -tags faults -o ../goalcast-before ./cmd/goalcast
	rm -rf tmp/before
	$(GO) build -tags faults -o tmp/goalcast-measured ./cmd/goalcast
	GOALCAST_BIN=$(CURDIR)/tmp/goalcast-measured GOALCAST_TEST_BEFORE=$(CURDIR)/tmp/goalcast-before \
		$(GO) test -run 'TestVersionBefore$$' -v -count=1 ./e2e
	$(GO) test -run '^$$' -bench 'Migrations$$' -benchtime 1x ./store

# A minute on each parser of what strangers send.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/opta
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/wsc
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/generic
	$(GO) test -run '^$$' -fuzz FuzzCallback -fuzztime 30s -fuzzminimizetime 10x ./ingest/wsc/brightcove
	$(GO) test -run '^$$' -fuzz FuzzAnswers -fuzztime 30s -fuzzminimizetime 10x ./ingest/wsc/brightcove
	$(GO) test -run '^$$' -fuzz FuzzLines -fuzztime 60s -fuzzminimizetime 10x ./ingest/odds/stream
	$(GO) test -run '^$$' -fuzz FuzzClientFrames -fuzztime 60s ./hub

clean:
	rm -rf tmp clients/js/node_modules loadtest/k6/node_modules
