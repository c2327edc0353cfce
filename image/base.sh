#!/usr/bin/env bash
# Makes a stand-in for the base image where no registry can be reached: Debian bookworm by debootstrap from the mirror that
# this machine's apt uses, with the Node of node_modules and this machine's npm. Debian or Ubuntu, as root.
#
#   image/base.sh OUT.tar     its root file system
set -euo pipefail
out=$(realpath -m "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() { echo "image/base.sh: $*" >&2; exit 1; }
((EUID == 0)) || die "must be root"
if ! command -v debootstrap >/dev/null; then
  command -v apt-get >/dev/null || die "debootstrap is not installed"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring >&2
fi

node=$(realpath "$here/node_modules/node/bin/node")
npm=$(realpath "$(command -v npm)")
npm=${npm%/bin/npm-cli.js}
[[ -f $npm/bin/npm-cli.js ]] || die "npm is not where it should be: $npm"
mirror=http://deb.debian.org/debian
if grep -qx 'ID=debian' /etc/os-release; then
  own=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -E '/debian/?$' | head -n 1 || true)
  mirror=${own:-$mirror}
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "image: Debian bookworm from $mirror" >&2
debootstrap --variant=minbase --include=libatomic1 bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "debootstrap failed"; }

install -m 0755 "$node" "$work/root/usr/local/bin/node"
mkdir -p "$work/root/usr/local/lib/node_modules"
cp -rL "$npm" "$work/root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
rm -rf "$work/root"/var/cache/apt/archives/*.deb "$work/root"/var/lib/apt/lists/*

mkdir -p "$(dirname "$out")"
tar -C "$work/root" --numeric-owner -cf "$out.new" .
mv "$out.new" "$out"
