#!/usr/bin/env bash
# Builds the programs of a cluster from their Go modules, once: a program that was built from the same inputs is left
# alone. The last line on stdout is the folder with the programs.
#
#   build.sh [NAME...]        the named programs
#   build.sh control-plane    etcd kube-apiserver kube-controller-manager kubectl: about nine minutes on two processors
#   build.sh node             and kube-scheduler kubelet kube-proxy coredns cri-clean: about five more
#   build.sh helm             about three
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

# name -> "folder of the module, package"
declare -A programs=(
  [etcd]="kube ./etcd"
  [kube-apiserver]="kube k8s.io/kubernetes/cmd/kube-apiserver"
  [kube-controller-manager]="kube k8s.io/kubernetes/cmd/kube-controller-manager"
  [kube-scheduler]="kube k8s.io/kubernetes/cmd/kube-scheduler"
  [kubectl]="kube k8s.io/kubernetes/cmd/kubectl"
  [kubelet]="kube k8s.io/kubernetes/cmd/kubelet"
  [kube-proxy]="kube k8s.io/kubernetes/cmd/kube-proxy"
  [cri-clean]="kube ./cri-clean"
  [coredns]="coredns ."
  [helm]="helm helm.sh/helm/v3/cmd/helm"
)
control_plane=(etcd kube-apiserver kube-controller-manager kubectl)
names=()
for wanted in "${@:-control-plane}"; do
  case $wanted in
    control-plane) names+=("${control_plane[@]}") ;;
    node) names+=("${control_plane[@]}" kube-scheduler kubelet kube-proxy coredns cri-clean) ;;
    *) [[ -n ${programs[$wanted]:-} ]] || { echo "build.sh: unknown program: $wanted" >&2; exit 2; }
       names+=("$wanted") ;;
  esac
done

# version_in FOLDER MODULE: the version that FOLDER's go.mod selects.
version_in() { awk -v m="$2" '$1 == m {print $2; exit} $1 == "require" && $2 == m {print $3; exit}' "$here/$1/go.mod"; }

version=$(version_in kube k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"

# flags_for FOLDER: what the releases of that project stamp on theirs.
flags_for() {
  local flags="-s -w" package
  case $1 in
    kube)
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
        flags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
      done ;;
    helm)
      flags+=" -X helm.sh/helm/v3/internal/version.version=$(version_in helm helm.sh/helm/v3)"
      flags+=" -X helm.sh/helm/v3/internal/version.gitTreeState=clean"
      for package in helm.sh/helm/v3/pkg/chartutil helm.sh/helm/v3/pkg/lint/rules; do
        flags+=" -X $package.k8sVersionMajor=$major -X $package.k8sVersionMinor=$minor"
      done ;;
  esac
  printf %s "$flags"
}

# One folder for each version of Kubernetes, so that branches can share the cache.
bin=$cache/$version/bin
mkdir -p "$bin"
go_version=$(cd "$here/kube" && GOFLAGS= GOWORK=off go env GOVERSION)

# current NAME STAMP: whether NAME is built from the inputs that STAMP stands for.
current() { [[ -x $bin/$1 && $(cat "$bin/.$1.stamp" 2>/dev/null) == "$2" ]]; }

for name in "${names[@]}"; do
  read -r folder package <<<"${programs[$name]}"
  flags=$(flags_for "$folder")
  stamp=$( (echo "$go_version $package $flags"
            cd "$here/$folder" && cat go.mod go.sum
            [[ $package != .* ]] || cat "$package"/*.go) | sha256sum | cut -d' ' -f1)
  ! current "$name" "$stamp" || continue
  # One build at a time: two would fight for the processors and the memory.
  exec 8>"$bin/.lock"
  flock 8
  if ! current "$name" "$stamp"; then
    echo "building $name" >&2
    # GOFLAGS is replaced, not extended: a setting of the caller's own project must not reach this module.
    (cd "$here/$folder" && GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 \
      go build -p "${KUBE_JOBS:-$(nproc)}" -trimpath -buildvcs=false -ldflags "$flags" -o "$bin/$name.new" "$package")
    mv "$bin/$name.new" "$bin/$name"
    echo "$stamp" >"$bin/.$name.stamp"
  fi
  exec 8>&-
done
echo "$bin"
