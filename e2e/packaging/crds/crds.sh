#!/usr/bin/env bash
# Prints the CRDs of cert-manager and the Prometheus operator, as files, from their Go modules.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-kube}
. "$here/../../control-plane/go.sh"
cd "$here"
export GOFLAGS=-mod=readonly GOWORK=off

# folder MODULE: where its files are; fetched first where they are not.
folder() {
  local version
  version=$(awk -v m="$1" '$1 == m {print $2}' go.mod)
  go mod download -json "$1@$version" | sed -nE 's/^\t"Dir": "(.*)",?$/\1/p'
}

cert_manager=$(folder github.com/cert-manager/cert-manager)
prometheus=$(folder github.com/prometheus-operator/prometheus-operator)
printf '%s\n' "$cert_manager"/deploy/crds/cert-manager.io_{certificates,issuers,clusterissuers}.yaml \
  "$prometheus"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml
