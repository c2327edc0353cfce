#!/usr/bin/env bash
# Installs what the scenarios need and what is missing: iproute2, nsenter, openssl, curl, nghttp, h2load, Redis, promtool, Chromium and tmux;
# for whole nodes containerd, runc, CNI plugins, nftables, busybox, a C compiler, debootstrap and pip. Debian and Ubuntu, as root;
# anyone else is told what is missing. Without root there are no network namespaces and nothing is installed: every scenario
# is skipped that needs them.
set -euo pipefail

declare -A package=([ip]=iproute2 [nsenter]=util-linux [setsid]=util-linux [flock]=util-linux [openssl]=openssl
  [curl]=curl [nghttp]=nghttp2-client [h2load]=nghttp2-client [redis-server]=redis-server [promtool]=prometheus
  [chromium]=chromium [tmux]=tmux
  [containerd]=containerd [runc]=runc [nft]=nftables [busybox]=busybox-static [gcc]=gcc [strip]=binutils
  [debootstrap]=debootstrap [pip3]=python3-pip)
export PATH="$PATH:/usr/sbin:/sbin"

[ "$(id -u)" -eq 0 ] || exit 0
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing+=(containernetworking-plugins)
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "e2e: missing packages: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "e2e: installed ${missing[*]}"
