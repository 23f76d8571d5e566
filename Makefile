# syncd. `make help` lists what there is.

GO      ?= go
# golangci-lint is fetched by `make lint` alone; nothing else needs it.
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0
FUZZFOR ?= 30s
SEEDS   ?= 1000
FROM    ?= 0
# The kill lab: hits per store, and the seed of their schedule.
N       ?= 200
SEED    ?= 20261121
# Tests that replay a scene once per step: many runs of one thread, where the
# race detector finds nothing and takes ten times as long.
REPLAYS := 'AnyStep|AnyAnswer|Interleaved|BeyondTheLease|CrashAround|CrashInThePage|CrashInARecovery|Survives'

.DEFAULT_GOAL := help
.PHONY: help run demo-once build test lab lab-postgres lab-exhaustive lab-kill lab-mutants setup check lint bench fuzz clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

run: ## the demo: syncd between two pretend vendors; needs Go and nothing else
	CGO_ENABLED=0 $(GO) run ./cmd/syncd demo

demo-once: ## play the demo's story once and check every claim
	CGO_ENABLED=0 $(GO) run ./cmd/syncd demo --once

build: ## a static binary in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/syncd ./cmd/syncd

test: setup check ## everything: format, vet, import laws, unit, store, end-to-end and kill tests, the lab
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 14m -skip $(REPLAYS) $$($(GO) list ./... | grep -vE '/(lab|e2e)$$')
	$(GO) test -count=1 -timeout 14m -run $(REPLAYS) ./flows
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 14m ./e2e
	$(GO) test -count=1 -timeout 14m -v ./lab

lab: ## the deterministic simulator: SEEDS seeds of the real engine in virtual time
	$(GO) test -count=1 -timeout 0 -v -run TestSeeds ./lab -seeds $(SEEDS) -from $(FROM)

lab-kill: setup ## the real binary under kill -9, SIGSTOP, a dying PostgreSQL, a full disk: N hits per store by SEED
	$(GO) test -count=1 -timeout 0 -v -run 'TestLabKill$$|TestPowerLoss' ./e2e -hits $(N) -seed $(SEED) -instants 40

lab-postgres: ## the same on PostgreSQL in virtual time: SEEDS seeds
	$(GO) test -count=1 -timeout 0 -v -run TestPostgresSeeds ./lab -postgres $(SEEDS) -from $(FROM)

lab-mutants: ## known bugs, put in one at a time: which test catches which (RUN=pattern for some of them)
	$(GO) run ./lab/mutants -run '$(RUN)'

lab-exhaustive: ## scripted scenes and text scenarios with every single fault, scenes of creates and binds with every pair
	$(GO) test -count=1 -timeout 0 -v -run 'TestEveryCrashOfEveryScene|TestScenariosWithFaults' ./lab -depth 2 -stride 1

setup: ## install what the tests need: a C compiler for -race, and PostgreSQL
	@./.ci/setup

check: ## formatting and vet
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './bench/naive/*')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

lint: ## golangci-lint with the rules of .golangci.yml
	$(GO) run $(LINT) run ./...

bench: ## benchmarks of the stores and of the pure core
	$(GO) test -run '^$$' -bench . -benchmem ./flows/... ./fields/... ./store/sqlite/... ./store/postgres/...

fuzz: ## every fuzz target for FUZZFOR each
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZFOR) $$pkg || exit 1; \
	  done; \
	done

clean: ## remove what was built
	rm -rf bin
