#!/usr/bin/env bash
# Builds h2spec and gRPC-Go's own interop client and server from their Go modules: about a minute, once. A program that was
# built from the same inputs is left alone. The last line on stdout is the folder with the programs.
#
# CARPOOL_TOOLS   where programs go (default: ${XDG_CACHE_HOME:-~/.cache}/carpool-tools)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CARPOOL_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-tools}
. "$here/../control-plane/go.sh"

mkdir -p "$cache/bin"

# build NAME MODULE PACKAGE: one build at a time, and none where the stamp says that it was built from this.
build() {
  local name=$1 module=$here/$2 package=$3 stamp
  stamp=$( (cd "$module" && GOFLAGS= GOWORK=off go env GOVERSION && echo "$package" && cat go.mod go.sum) | sha256sum | cut -d' ' -f1)
  exec 8>"$cache/bin/.lock"
  flock 8
  if [[ ! -x $cache/bin/$name || $(cat "$cache/bin/.$name.stamp" 2>/dev/null) != "$stamp" ]]; then
    echo "building $name" >&2
    (cd "$module" && GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 \
      go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$cache/bin/$name.new" "$package")
    mv "$cache/bin/$name.new" "$cache/bin/$name"
    echo "$stamp" >"$cache/bin/.$name.stamp"
  fi
  exec 8>&-
}

build h2spec h2spec github.com/summerwind/h2spec/cmd/h2spec
build grpc-client grpc-go google.golang.org/grpc/interop/client
build grpc-server grpc-go google.golang.org/grpc/interop/server
echo "$cache/bin"
