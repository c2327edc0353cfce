#!/usr/bin/env bash
# Ends a cluster that up.sh started: its own programs by pid (and start time), its network namespace and its folder.
#   down.sh FOLDER     KEEP=1 keeps the folder (logs, certificates)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
open_state "${1:-}"
# The last one started first.
while read -r _ _ name; do finish "$name" TERM; done < <(tac "$STATE/pids")
if [[ -n ${NETNS:-} && -e /run/netns/$NETNS ]]; then
  ip link del "ck${SLOT}h" 2>/dev/null || true
  ip netns del "$NETNS"
fi
[[ -n ${KEEP:-} ]] || rm -rf "$STATE"
