#!/usr/bin/env bash
# Starts a whole Kubernetes of one node: the control plane of up.sh, kube-scheduler, containerd, kubelet, kube-proxy and
# CoreDNS, in a network namespace of its own, and waits until pods can run. End it with: down.sh FOLDER
#
#   node-up.sh FOLDER [IMAGE.tar...]     FOLDER: new or empty; the images (docker or OCI archives) are imported
#
# image-in.sh imports further ones. Pods must have `imagePullPolicy: Never`, or `IfNotPresent` and a tag other than
# latest: there is nothing to pull from. In the namespace:
#   10.244.N.0/24 pods, also from this machine; 10.96.0.0/16 Services, from inside only; DNS 10.96.0.10
#
# Needs, besides what up.sh does: containerd, runc, containernetworking-plugins, nftables, busybox-static, gcc (Debian's names).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$here/certificates.sh"

((EUID == 0)) || die "must be root"
folder=${1:?usage: node-up.sh FOLDER [IMAGE.tar...]}
shift
export PATH=$PATH:/usr/sbin:/sbin
for tool in containerd runc ctr nft; do command -v "$tool" >/dev/null || die "$tool is missing"; done
plugins=/usr/lib/cni
[[ -x $plugins/bridge ]] || plugins=/opt/cni/bin
[[ -x $plugins/bridge ]] || die "no CNI bridge plugin in /usr/lib/cni or /opt/cni/bin"
images=("$@")
for image in pause coredns node; do images+=("$("$here/image.sh" "$image")"); done

"$here/build.sh" node >/dev/null
WHOLE_NODE=1 "$here/up.sh" "$folder"
open_state "$folder"
trap 'code=$?; ((code == 0)) || KEEP=1 "$here/down.sh" "$STATE" || true; exit $code' EXIT
kube() { "$BIN/kubectl" --kubeconfig "$KUBECONFIG" "$@"; }
inside() { nsenter --net="/run/netns/$NETNS" -- "$@"; }

# The namespace has no default route, and what the node itself sends to a Service is routed before it is rewritten.
inside ip route add 10.96.0.0/16 dev pods0

# A kubelet sets these for the whole machine: down.sh puts back what was there before the first.
put SYSCTLS /run/carpool-kube.sysctl
[[ -e $SYSCTLS ]] || sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes >"$SYSCTLS" 2>/dev/null || true

make_cert scheduler /CN=system:kube-scheduler
make_cert kube-proxy /CN=system:kube-proxy
make_cert kubelet /O=system:nodes/CN=system:node:node-1 "IP:$NODE_IP,DNS:node-1"
for who in scheduler kube-proxy kubelet; do make_kubeconfig "$who"; done
define kube-scheduler "$BIN/kube-scheduler" --kubeconfig "$STATE/conf/scheduler.kubeconfig" \
  --authentication-kubeconfig "$STATE/conf/scheduler.kubeconfig" \
  --authorization-kubeconfig "$STATE/conf/scheduler.kubeconfig" --leader-elect=false --bind-address 127.0.0.1
start kube-scheduler

. "$here/runtime.sh"
start_runtime "$plugins"
for image in "${images[@]}"; do import_image "$image"; done

. "$here/node.sh"
start_kubelet
start_proxy
wait_for 60 kubelet "ready node" kube wait --for=condition=Ready node/node-1 --timeout=1s
sed 's/SERVICE_IP/10.96.0.10/' "$here/coredns.yaml" | kube create -f - >/dev/null
wait_for 60 kubelet "ready CoreDNS" kube -n kube-system rollout status deployment/coredns --timeout=1s
say "node: $NETNS, https://$NODE_IP:6443; KUBECONFIG=$KUBECONFIG; end it with: $here/down.sh $STATE"
