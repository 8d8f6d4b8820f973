# Ginnel. `make dev` builds and answers, `make test` tests; `make help` lists the rest.
GO          ?= go
BIN         := bin
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)
export CGO_ENABLED ?= 0

.PHONY: help build dev test race test-clients test-proxywasm test-cgroups conformance score bench filters proto generate lint ci clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## bin/ginnel, static
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ginnel ./cmd/ginnel

dev: build ## build, then answer on loopback with throwaway state and no provider key
	$(BIN)/ginnel dev

test: ## every test, without a C compiler
	$(GO) test -timeout 20m ./...

race: export CGO_ENABLED = 1
race: ## every test under the race detector (needs a C compiler)
	$(GO) test -race -timeout 30m ./...

test-clients: build ## official SDKs (Node, Python, Go) against a running daemon
	$(GO) run ./cmd/testclients -ginnel $(BIN)/ginnel

test-proxywasm: ## filters that others wrote for proxy-wasm, fetched, through a daemon
	GINNEL_PROXYWASM_SDK=1 $(GO) test -count=1 -timeout 20m -run TestTheRustSDK -v ./core/wasmhost
	GINNEL_PROXYWASM=$$(./.ci/proxywasm "$${TMPDIR:-/tmp}/ginnel-proxywasm") $(GO) test -count=1 -timeout 20m -run 'TestOthers' -v ./cmd/ginnel

test-cgroups: ## what bounds plugins' processes by cgroups, in a virtual machine
	./.ci/cgroups

bench: build ## ratios against a bare fasthttp proxy and nginx, then the micro benchmarks
	$(GO) build -trimpath -o $(BIN)/bench ./cmd/bench
	$(BIN)/bench -ginnel $(BIN)/ginnel
	$(GO) test -run '^$$' -bench . -skip 'Open|Stop' -benchtime 500x ./core/wasmhost/... ./core/scan/... ./filters/...
	$(GO) test -run '^$$' -bench 'Open|Stop' -benchtime 2x ./core/wasmhost/...

conformance: build ## every recorded exchange, called in every dialect: what is kept
	$(GO) run ./cmd/conformance -ginnel $(BIN)/ginnel

score: build ## what sanitize finds of the security corpus, through a running daemon
	$(GO) run ./cmd/score -ginnel $(BIN)/ginnel

filters: ## the built-in filters' modules
	$(GO) run ./cmd/internal/buildfilters

proto: ## the generated protobuf code (needs protoc)
	./sdk/proto/generate.sh

generate: filters ## everything generated: modules, registries, reference pages
	$(GO) generate ./...

lint: ## gofmt, vet, staticcheck, modules, generated files
	@wrong=$$(gofmt -l $$(ls -d cmd core plugins filters sdk examples 2>/dev/null)); test -z "$$wrong" || { echo "run gofmt -w on $$wrong"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

ci: ## what continuous integration runs
	./.ci/install
	$(MAKE) lint
	$(MAKE) generate
	git diff --exit-code --stat
	$(MAKE) build
	$(MAKE) test
	$(MAKE) race
	$(MAKE) test-clients
	$(MAKE) test-proxywasm

clean:
	rm -rf $(BIN)
