# The commands of the project. `make test` is everything a change must pass; it installs what it needs on Debian and Ubuntu.

SHELL := /bin/bash
GO ?= go
PACKAGES := ./...

.PHONY: test deps lint alerts test-go test-js build program bench million bench-go soak fuzz clean

test: deps lint alerts test-go test-js

# Redis, PostgreSQL, Chromium, Node.js: what the tests talk to.
deps:
	./scripts/install-test-servers.sh

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)

# Each alert fires when it should, and not when it should not.
alerts: deps
	promtool check rules deploy/alerts.yaml
	promtool test rules deploy/alerts_test.yaml

# The race detector watches all code but three libraries that are nothing but computing: SQLite in Go,
# Lua for the Redis in the process, and compression. Watched, they took three quarters of the time.
RACE := -race $(foreach module,modernc.org github.com/yuin/gopher-lua github.com/klauspost/compress,-gcflags='$(module)/...=-race=false')

# All tests; then those that play providers' documents once more with the made-up ones, as in a clone
# that has no others.
SAMPLED := $(CURDIR)/tmp/sampled
test-go:
	@mkdir -p tmp && rm -f $(SAMPLED)
	GOALCAST_TEST_SAMPLES_USED=$(SAMPLED) $(GO) test $(RACE) -count=1 -timeout 20m $(PACKAGES)
	GOALCAST_SAMPLES=made-up $(GO) test $(RACE) -timeout 20m \
		-run "^($$(sort -u $(SAMPLED) | paste -sd '|'))$$" ./ingest ./e2e

test-js: program
	cd clients/js && npm ci --no-audit --no-fund && GOALCAST_BIN=$(CURDIR)/tmp/goalcast-under-test npm test

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
bench-go:
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./ingest/... ./store/... ./hub ./e2e

# Ten matches at 20 times their speed while processes are killed and servers fail over: `make soak` is one day of some
# seven minutes, `make soak FOR=8h` a night of days.
FOR ?= 1m
soak: program
	GOALCAST_SOAK=$(FOR) $(GO) test $(RACE) -run TestSoak -v -timeout 24h ./e2e

# A minute on each parser of what strangers send.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/opta
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/wsc
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 60s ./ingest/generic
	$(GO) test -run '^$$' -fuzz FuzzCallback -fuzztime 30s -fuzzminimizetime 10x ./ingest/wsc/brightcove
	$(GO) test -run '^$$' -fuzz FuzzAnswers -fuzztime 30s -fuzzminimizetime 10x ./ingest/wsc/brightcove
	$(GO) test -run '^$$' -fuzz FuzzClientFrames -fuzztime 60s ./hub

clean:
	rm -rf tmp clients/js/node_modules
