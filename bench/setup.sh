#!/usr/bin/env bash
# Installs what the benchmarks need and what is missing: nginx (peer and origin), HAProxy and Squid (peers), wrk (load),
# gcc (the POST origin), openssl (the TLS origin). Debian and Ubuntu, as root; anyone else is told what is missing.
# The packages' own services are neither started nor left enabled. Exit code 1 when something is still missing.
set -euo pipefail

declare -A package=([nginx]=nginx [haproxy]=haproxy [squid]=squid-openssl [wrk]=wrk [gcc]=gcc [openssl]=openssl [taskset]=util-linux)
export PATH="$PATH:/usr/sbin:/sbin"

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
