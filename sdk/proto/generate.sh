#!/usr/bin/env bash
# Generates the Go code and the descriptor set of the plugin protocol. Needs protoc (Debian:
# protobuf-compiler, 3.21 or later); the two Go generators are pinned here.
set -euo pipefail
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools GOFLAGS= go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$tools GOFLAGS= go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH=$tools:$PATH protoc -I . \
  --go_out=. --go_opt=paths=source_relative \
  --go-grpc_out=. --go-grpc_opt=paths=source_relative \
  pluginv1/*.proto
# The protoc that ran is not part of the protocol: one line that would differ on every machine.
sed -i -E '/^\/\/[[:space:]]+(- )?protoc[[:space:]]+v/d' pluginv1/*.pb.go
# The committed set is what plugins in the field speak; a test holds that the protocol only grew.
if [ ! -e pluginv1/released.binpb ] || [ "${1:-}" = release ]; then
  protoc -I . --include_imports --descriptor_set_out=pluginv1/released.binpb pluginv1/*.proto
fi
