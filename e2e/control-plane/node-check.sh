#!/usr/bin/env bash
# Whether this machine can run node-up.sh: says on stdout what is in the way, and fails, or says nothing.
set -uo pipefail
export PATH=$PATH:/usr/sbin:/sbin
no() { echo "$*"; exit 1; }

for tool in containerd ctr runc nft busybox gcc; do command -v "$tool" >/dev/null || no "$tool is missing"; done
[[ -x /usr/lib/cni/bridge || -x /opt/cni/bin/bridge ]] || no "the CNI plugins are missing"
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || no "the kernel has no overlayfs"
unshare --net nft add table ip carpool 2>/dev/null || no "the kernel has no nftables"
unshare --net ip link add carpool type bridge 2>/dev/null || no "no bridge can be made here"
if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
  made=/sys/fs/cgroup/carpool-check-$$
  for controller in cpu cpuset memory pids; do
    grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || no "there is no cgroup controller $controller"
  done
else
  made=/sys/fs/cgroup/memory/carpool-check-$$
fi
{ mkdir "$made" && rmdir "$made"; } 2>/dev/null || no "no cgroup can be made here"
