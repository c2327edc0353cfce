# Everything sets itself up: a fresh machine needs Node >= 20, npm, make and git. Node 26 comes as the npm package `node`.
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

SETUP := node_modules/.carpool-setup
SOURCES := $(shell find src -type f 2>/dev/null)

.PHONY: run test e2e check bench bench-pooling bench-faults bench-resilience build image docs pictures format clean help

help: ## what there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(SETUP): package.json package-lock.json .taprc
	@# Not npm ci: it insists on the lock entries of every platform's optional packages, which not every registry mirror has.
	npm install --no-save --no-audit --no-fund --loglevel=error
	tap build >/dev/null
	@touch $@

dist/carpool.js: $(SETUP) $(SOURCES) build.ts package.json
	node build.ts

run: dist/carpool.js ## the sidecar on 127.0.0.1:14140 with an embedded demo
	@node dist/carpool.js demo

build: dist/carpool.js ## one bundled file, dist/carpool.js, with its source map

test: $(SETUP) dist/carpool.js ## every test that needs no cluster
	tap

e2e: $(SETUP) dist/carpool.js ## scenarios on a real control plane (Linux, root; Go for its first build); FILES=... for some
	e2e/setup.sh
	node e2e/run.ts $(FILES)

check: $(SETUP) ## format, lint, types, unused code, arrows between rooms, stale documents
	biome check .
	tsc -p .
	tsc -p src/page
	tsc -p e2e/browser
	knip
	depcruise --config .dependency-cruiser.cjs src
	node src/config/generate-docs.ts --check
	node src/cli/generate-docs.ts --check
	node src/packaging/generate.ts --check
	node charts/generate-library.ts --check
	node dashboards/generate.ts --check

image: $(SETUP) ## the container image, dist/image.tar; IMAGE=... and TAG=... name it
	image/make.sh $(or $(IMAGE),docker.io/library/carpool) $(TAG)

docs: $(SETUP) ## writes docs/configuration.md and cli.md, JSON Schemas, the chart's README, alert rules and dashboards anew
	node src/config/generate-docs.ts
	node src/cli/generate-docs.ts
	node src/packaging/generate.ts
	node charts/generate-library.ts
	node dashboards/generate.ts

pictures: dist/carpool.js ## draws the pictures of docs/dashboards.md anew; needs Prometheus (e2e/setup.sh), four minutes
	node dashboards/pictures.ts

format: $(SETUP) ## formats everything
	biome check --write .

bench: dist/carpool.js ## carpool beside nginx, HAProxy, Envoy, Squid and two Node baselines, in one run
	bench/setup.sh
	node bench/compare.ts $(ARGS)
	node bench/pooling.ts

bench-pooling: dist/carpool.js ## with and without pooling
	bench/setup.sh
	node bench/pooling.ts $(ARGS)

bench-faults: dist/carpool.js ## stopped, resetting and silent endpoints; upstreams that close idle connections
	bench/setup.sh
	node bench/faults.ts $(ARGS)

bench-resilience: dist/carpool.js ## upstreams that fail: retries, ejection, with and without pooling, and what it costs where nothing fails
	bench/setup.sh
	node bench/resilience.ts $(ARGS)

clean: ## removes what was made
	rm -rf dist node_modules .tap bench/.work
