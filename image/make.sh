#!/usr/bin/env bash
# Builds the image by the Dockerfile, writes it to dist/image.tar, and says how big it is.
#
#   image/make.sh [NAME [TAG]]      default: docker.io/library/carpool, package.json's version
#
# Docker, podman or buildah, the first that works; on Debian as root buildah is installed where there is none. Where the base
# image cannot be pulled, image/base.sh makes a stand-in for it. An image of the same name from the same files is left alone.
#
# CARPOOL_IMAGE_CACHE   where buildah keeps its layers and the stand-in is (default: ${XDG_CACHE_HOME:-~/.cache}/carpool-image)
# CARPOOL_IMAGE_ENGINE  docker, podman or buildah: that one only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${CARPOOL_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-image}
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
reference=${1:-docker.io/library/carpool}:${2:-$version}
archive=dist/image.tar
# Above these the image grew by something that nobody wanted.
max_bytes=130000000
max_gzip_bytes=48000000

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# --- nothing to do? -----------------------------------------------------------------------------------------------

mkdir -p dist "$cache"
# One build at a time: several runs of the tests may ask for it.
exec 9>"$cache/lock"
flock 9
stamp=$({
  echo "$reference"
  find Dockerfile .dockerignore LICENSE package.json package-lock.json .npmrc build.ts tsconfig.json src image -type f |
    LC_ALL=C sort | xargs sha256sum
} | sha256sum | cut -d' ' -f1)
if [[ -f $archive && $(head -n 1 dist/image.stamp 2>/dev/null) == "$stamp" ]]; then
  say "$archive is up to date: $(tail -n 1 dist/image.stamp)"
  exit 0
fi

# --- who builds -----------------------------------------------------------------------------------------------------

# works ENGINE: it is there, and so is what it needs (a daemon, a storage).
works() {
  [[ -z ${CARPOOL_IMAGE_ENGINE:-} || $CARPOOL_IMAGE_ENGINE == "$1" ]] || return 1
  command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1 || return 1
  # Docker's old builder, and a client without BuildKit's plugin, know no secrets.
  [[ $1 != docker || $(DOCKER_BUILDKIT=1 docker build --help 2>/dev/null) == *--secret* ]]
}

# own_storage: buildah's layers go to a folder of ours, so that nothing of this machine's other images is touched.
own_storage() {
  local driver
  for driver in overlay vfs; do
    printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$cache/$driver" "$cache/run-$driver" >"$cache/storage.conf"
    export CONTAINERS_STORAGE_CONF=$cache/storage.conf
    ! works buildah || return 0
  done
  return 1
}

if works docker; then engine=docker
elif works podman; then engine=podman
else
  if ! command -v buildah >/dev/null && ((EUID == 0)) && command -v apt-get >/dev/null; then
    say "installing buildah"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah >&2
  fi
  own_storage || die "needs docker with its daemon, podman or buildah; none works here"
  engine=buildah
fi

# --- the base ---------------------------------------------------------------------------------------------------------

base=$(sed -n 's/^ARG BASE=//p' Dockerfile)
stand_in=carpool.test/base:${base##*:}
policy=()
if [[ $engine == buildah && ! -e /etc/containers/policy.json ]]; then
  echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$cache/policy.json"
  policy=(--signature-policy "$cache/policy.json")
fi

# import_base TAR: gives the engine the stand-in.
import_base() {
  if [[ $engine != buildah ]]; then
    "$engine" import "$1" "$stand_in" >/dev/null
    return
  fi
  local container
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$1" / >/dev/null
  buildah commit --quiet --rm "${policy[@]}" "$container" "$stand_in" >/dev/null
}

# present NAME: the engine has this image.
present() {
  if [[ $engine == buildah ]]; then buildah inspect --type image "$1" >/dev/null 2>&1
  else "$engine" image inspect "$1" >/dev/null 2>&1; fi
}

if ! present "$base" && ! timeout 300 "$engine" pull "${policy[@]}" "$base" >/dev/null 2>"$cache/pull.log"; then
  say "$base cannot be pulled ($(tail -n 1 "$cache/pull.log" | cut -c1-160))"
  say "a stand-in is used: Debian with this project's Node"
  base=$stand_in
  if ! present "$stand_in"; then
    image/base.sh "$cache/base.tar"
    import_base "$cache/base.tar"
    rm "$cache/base.tar"
  fi
fi

# --- the build -----------------------------------------------------------------------------------------------------------

export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
arguments=(--build-arg "BASE=$base" --build-arg "VERSION=$version"
  --build-arg "REVISION=$(git describe --always --dirty --abbrev=40 --match= 2>/dev/null || true)"
  --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH")

# What npm and apt of this machine know and those in the build need. Secrets are in no layer.
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
apt-config dump Acquire >"$secrets/apt" 2>/dev/null || true
[[ ! -s $secrets/apt ]] || arguments+=(--secret "id=apt,src=$secrets/apt")
[[ ! -f $HOME/.npmrc ]] || arguments+=(--secret "id=npmrc,src=$HOME/.npmrc")
certificates=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
[[ ! -f $certificates ]] || arguments+=(--secret "id=ca,src=$certificates")

made=$archive.new
rm -f "$made"
case $engine in
  docker)
    DOCKER_BUILDKIT=1 docker build --network host "${arguments[@]}" --tag "$reference" . >&2
    docker save --output "$made" "$reference" ;;
  podman)
    podman build --network host --format docker "${arguments[@]}" --timestamp "$SOURCE_DATE_EPOCH" --tag "$reference" . >&2
    podman save --format docker-archive --output "$made" "$reference" ;;
  buildah)
    # Chroot: a build inside of a container may make no namespaces of its own.
    options=(--isolation chroot --network host --layers --format oci "${policy[@]}" "${arguments[@]}" --timestamp "$SOURCE_DATE_EPOCH")
    buildah bud "${options[@]}" --tag "$reference" . >&2
    # The layers of earlier builds go; the name keeps those of this one's first stage for the next.
    buildah bud "${options[@]}" --target build --tag carpool.test/build . >/dev/null 2>&1
    buildah rmi --prune >/dev/null 2>&1 || true
    buildah push --quiet "${policy[@]}" "$reference" "docker-archive:$made:$reference" ;;
esac

# --- its size --------------------------------------------------------------------------------------------------------------

# An engine may keep its layers compressed.
bytes=0
for layer in $(tar -xOf "$made" manifest.json | grep -oE '"Layers":\[[^]]*\]' | grep -oE '"[^"]+"' | tr -d '"' | tail -n +2); do
  bytes=$((bytes + $(tar -xOf "$made" "$layer" | gzip -dcf | wc -c)))
done
gzip_bytes=$(gzip -9 -c "$made" | wc -c)
sizes="$reference, $(megabytes "$bytes"), by gzip -9 $(megabytes "$gzip_bytes")"
say "$archive: $sizes"
((bytes <= max_bytes)) || die "above $(megabytes $max_bytes)"
((gzip_bytes <= max_gzip_bytes)) || die "above $(megabytes $max_gzip_bytes) by gzip -9"
# The last one stays until this one is whole: somebody may be loading it.
mv "$made" "$archive"
printf '%s\n%s\n' "$stamp" "$sizes" >dist/image.stamp
