#!/usr/bin/env bash
# Ends a cluster that up.sh or node-up.sh started: its own programs by pid (and start time), its network namespace and its folder.
#   down.sh FOLDER     KEEP=1 keeps the folder (logs, certificates)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
open_state "${1:-}"
if [[ -n ${CRI:-} ]]; then
  # Pods first, while their runtime can still end them; and no kubelet that would start them again.
  finish kubelet TERM
  [[ -z $(pid_of containerd) ]] || "$BIN/cri-clean" "$CRI" || say "some pods could not be ended"
fi
# The last one started first.
while read -r _ _ name; do finish "$name" TERM; done < <(tac "$STATE/pids")
if [[ -n ${NETNS:-} && -e /run/netns/$NETNS ]]; then
  ip link del "ck${SLOT}h" 2>/dev/null || true
  ip netns del "$NETNS"
fi
if [[ -n ${CGROUP:-} ]]; then
  awk -v s="$STATE/" 'index($2, s) == 1 {print $2}' /proc/mounts | sort -r | while read -r at; do umount "$at" || true; done
  [[ ! -d /var/log/containers ]] || find /var/log/containers -lname "$STATE/*" -delete
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [[ ! -d $hierarchy/$CGROUP ]] || find "$hierarchy/$CGROUP" -depth -type d -exec rmdir {} + || say "some of $hierarchy/$CGROUP is left"
  done
  # What the kubelet changed for the whole machine, when this was the last cluster.
  [[ -n $(find /run/netns -name 'carpool-kube-*' -print -quit) || ! -e $SYSCTLS ]] || { sysctl -q -p "$SYSCTLS" && rm "$SYSCTLS"; } || true
fi
[[ -n ${KEEP:-} ]] || rm -rf "$STATE"
