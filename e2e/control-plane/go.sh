# shellcheck shell=bash
# Finds Go, or gets it into $cache: sourced by build.sh, here and in interop/, which need 1.24 or later. From 1.21 on Go
# fetches a newer one by itself, as go.mod asks; before that it is fetched here, as a module like any other.

go_toolchain=v0.0.1-go1.26.8
# Go's own installer puts it where no PATH looks by itself.
PATH=$PATH:/usr/local/go/bin

if ! command -v go >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing golang-go" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go; } >/dev/null
fi
command -v go >/dev/null || {
  echo "build.sh: Go is missing (on PATH or in /usr/local/go): it builds the control plane and the tools of interop." >&2
  echo "build.sh: for the control plane, KUBEBUILDER_ASSETS may name a folder with etcd, kube-apiserver, kube-controller-manager and kubectl." >&2
  exit 1
}

# go_from_module FOLDER: puts a newer Go there, from its module.
go_from_module() {
  local name version download
  version=$go_toolchain.$(go env GOOS)-$(go env GOARCH)
  name=golang.org/toolchain@$version
  download=$(mktemp -d)
  (cd "$download" && printf 'module download\n' >go.mod && GOFLAGS=-mod=mod GOMODCACHE=$download/mod go mod download "$name")
  mkdir -p "$1"
  cp -R "$download/mod/$name/." "$1"
  # Files of a module are neither writable nor executable.
  chmod -R u+w "$1" "$download"
  chmod -R +x "$1/bin" "$1/pkg/tool"
  rm -rf "$download"
}

minor=$(go env GOVERSION | sed -nE 's/^go1\.([0-9]+).*/\1/p')
if [ "${minor:-0}" -lt "${GO_LEAST_MINOR:-21}" ]; then
  own=$cache/$go_toolchain
  [ -x "$own/bin/go" ] || go_from_module "$own"
  PATH=$own/bin:$PATH
fi
