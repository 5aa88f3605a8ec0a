# Short targets; what is longer than a line is in scripts/.
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
.PHONY: help

build: ## Build every command to bin/
	@go build -o bin/ ./services/*/cmd/*
.PHONY: build

bin/bridge: FORCE
	@go build -o $@ ./services/bridge/cmd/bridge
FORCE:
.PHONY: FORCE

demo: bin/bridge ## Show a burst of changes from end to end
	@bin/bridge demo
.PHONY: demo

dev: bin/bridge ## Run everything in one process, with simulated ERPs and Enneo
	@bin/bridge dev
.PHONY: dev

test: ## Run all tests (ARGS='-run Burst -v' adds flags of go test, PKG=./libs/key/... narrows)
	@PKG='$(PKG)' scripts/test.sh $(ARGS)
.PHONY: test

# The commit that the release before this one was built from.
OLD ?= 80fd2d7

chaos: ## Kill, pause and disturb real processes for DURATION (default 4m, SEED repeats, OLD=commit runs beside) and check every event
	@scripts/ensure-redis.sh
	@go run ./services/e2e/cmd/chaos -seed '$(or $(SEED),0)' -duration '$(or $(DURATION),4m)' -old '$(OLD)'
.PHONY: chaos

outage: ## Take the ERP and then Enneo away for DURATION (default 10m) and count what that costs
	@scripts/ensure-redis.sh
	@go run ./services/e2e/cmd/outage -duration '$(or $(DURATION),10m)' $(ARGS)
.PHONY: outage

bench: ## Measure real binaries beside floors and peers, see docs/results.md (ONLY=arm,ingest,windows,flow,lookup,import narrows, ARGS='-rounds 5 -cpuprofile' adds flags)
	@scripts/ensure-redis.sh
	@go build -o bin/bench ./services/bench/cmd/bench
	@bin/bench -only '$(ONLY)' $(ARGS)
.PHONY: bench

images: ## Build every image to tmp/images without a container engine, inspect them and run the pipeline from them (ARGS='-h' lists flags)
	@scripts/images.sh $(ARGS)
.PHONY: images

fuzz: ## Run every fuzz target for FUZZTIME (default 10s)
	@FUZZTIME='$(FUZZTIME)' scripts/fuzz.sh
.PHONY: fuzz

lint: ## Run all linters
	@scripts/lint.sh
.PHONY: lint

fmt: ## Format Go and protobuf files
	@scripts/fmt.sh
.PHONY: fmt

generate: ## Write generated code and docs/configuration.md
	@scripts/generate.sh
.PHONY: generate

generate-check: ## Fail if generated files are not up to date
	@scripts/unchanged.sh generate
.PHONY: generate-check

tidy: ## Tidy the three modules and the workspace
	@scripts/tidy.sh
.PHONY: tidy

tidy-check: ## Fail if a go.mod, go.sum or go.work.sum is not tidy
	@scripts/unchanged.sh tidy
.PHONY: tidy-check

clean: ## Remove what was built; tools stay in .tools/
	@rm -rf bin tmp
.PHONY: clean
