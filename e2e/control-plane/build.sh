#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules (kube/go.mod): about nine minutes
# on two processors, once. A program that was built from the same inputs is left alone. The last line on stdout is the
# folder with the programs.
#
# KUBE_CACHE   where programs go (default: ${XDG_CACHE_HOME:-~/.cache}/carpool-kube)
# KUBE_JOBS    value for `go build -p` (default: number of processors)
#
# To change the version of Kubernetes:
#   sed -i 's/v1\.34\.4/v1.34.X/; s/v0\.34\.4/v0.34.X/' kube/go.mod && (cd kube && GOFLAGS=-mod=mod go mod tidy)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-kube}
. "$here/go.sh"

declare -A packages=(
  [etcd]=./etcd
  [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
  [kube-controller-manager]=k8s.io/kubernetes/cmd/kube-controller-manager
  [kubectl]=k8s.io/kubernetes/cmd/kubectl
)

version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit}' "$here/kube/go.mod")
IFS=. read -r major minor _ <<<"${version#v}"
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  flags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
done

# One folder for each version of Kubernetes, so that branches can share the cache.
bin=$cache/$version/bin
mkdir -p "$bin"
go_version=$(cd "$here/kube" && GOFLAGS= GOWORK=off go env GOVERSION)

# current NAME STAMP: whether NAME is built from the inputs that STAMP stands for.
current() { [[ -x $bin/$1 && $(cat "$bin/.$1.stamp" 2>/dev/null) == "$2" ]]; }

for name in etcd kube-apiserver kube-controller-manager kubectl; do
  package=${packages[$name]}
  stamp=$( (echo "$go_version $package $flags"
            cd "$here/kube" && cat go.mod go.sum
            [[ $package != .* ]] || cat "$package"/*.go) | sha256sum | cut -d' ' -f1)
  ! current "$name" "$stamp" || continue
  # One build at a time: two would fight for the processors and the memory.
  exec 8>"$bin/.lock"
  flock 8
  if ! current "$name" "$stamp"; then
    echo "building $name $version" >&2
    # GOFLAGS is replaced, not extended: a setting of the caller's own project must not reach this module.
    (cd "$here/kube" && GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 \
      go build -p "${KUBE_JOBS:-$(nproc)}" -trimpath -buildvcs=false -ldflags "$flags" -o "$bin/$name.new" "$package")
    mv "$bin/$name.new" "$bin/$name"
    echo "$stamp" >"$bin/.$name.stamp"
  fi
  exec 8>&-
done
echo "$bin"
