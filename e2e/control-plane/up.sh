#!/usr/bin/env bash
# Starts a Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) in a network namespace of its own
# and waits until it can be used, about five seconds. End it with: down.sh FOLDER
#
#   up.sh FOLDER     FOLDER: new or empty
#
# There is no kubelet (node-up.sh starts a whole node): pods are objects of the API only. A Node `node-1` is there to name
# as spec.nodeName; the controllers (Deployment, ReplicaSet, EndpointSlice, ...) then do what they do in any cluster.
#
# KUBEBUILDER_ASSETS   folder with etcd, kube-apiserver, kube-controller-manager and kubectl to use instead of building
# WHOLE_NODE=1         for node-up.sh: no static Node, and every controller
#
# Needs root, openssl and iproute2; and Go for the first build.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$here/network.sh"
. "$here/certificates.sh"

((EUID == 0)) || die "must be root"
mkdir -p "${1:?usage: up.sh FOLDER}"
STATE=$(cd "$1" && pwd)
[[ -z $(ls -A "$STATE") ]] || die "$STATE is not empty"
# A socket's path has at most 107 bytes.
((${#STATE} <= 70)) || die "$STATE is too long a path for the sockets in it"

bin=${KUBEBUILDER_ASSETS:-}
[[ -z ${WHOLE_NODE:-} && -n $bin && -x $bin/kube-controller-manager ]] || bin=$("$here/build.sh")

# A start that fails leaves its folder (the logs) but nothing running.
trap 'code=$?; ((code == 0)) || KEEP=1 "$here/down.sh" "$STATE" || true; exit $code' EXIT

mkdir "$STATE"/{pki,conf,logs,etcd,run}
chmod 700 "$STATE"/{pki,conf}
: >"$STATE/pids"
: >"$STATE/env"
put BIN "$bin"
put KUBECONFIG "$STATE/conf/admin.kubeconfig"
make_network

make_ca
# HOST_IP: tests stand between a client and the API server there.
make_cert apiserver /CN=kube-apiserver "IP:127.0.0.1,IP:$NODE_IP,IP:$HOST_IP,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
make_cert admin /O=system:masters/CN=admin
make_cert apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
make_cert controller-manager /CN=system:kube-controller-manager
for who in admin controller-manager; do make_kubeconfig "$who"; done
make_service_account_key

# What service accounts ask is written down, so that tests can count it at the server.
cat >"$STATE/conf/audit.yaml" <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, userGroups: ["system:serviceaccounts:kube-system"]} # the controllers
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
YAML

# The data is thrown away with the cluster, so fsync would only cost time.
define etcd "$bin/etcd" --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster default=http://127.0.0.1:2380

# Aggregator routing: admission webhooks are called at the addresses of their pods, for nobody answers those of Services.
define kube-apiserver "$bin/kube-apiserver" \
  --etcd-servers http://127.0.0.1:2379 \
  --bind-address 0.0.0.0 --secure-port 6443 --advertise-address "$NODE_IP" \
  --tls-cert-file "$STATE/pki/apiserver.crt" --tls-private-key-file "$STATE/pki/apiserver.key" \
  --client-ca-file "$STATE/pki/ca.crt" \
  --kubelet-client-certificate "$STATE/pki/apiserver-kubelet-client.crt" \
  --kubelet-client-key "$STATE/pki/apiserver-kubelet-client.key" --kubelet-preferred-address-types InternalIP \
  --requestheader-client-ca-file "$STATE/pki/ca.crt" --requestheader-allowed-names front-proxy-client \
  --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
  --requestheader-extra-headers-prefix X-Remote-Extra- \
  --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$STATE/pki/sa.pub" --service-account-signing-key-file "$STATE/pki/sa.key" \
  --service-cluster-ip-range 10.96.0.0/16 \
  --enable-aggregator-routing=true \
  --audit-policy-file "$STATE/conf/audit.yaml" --audit-log-path "$STATE/logs/audit.log" --audit-log-mode blocking-strict \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction

# Without a kubelet nobody renews the Node's lease, so the controllers that act on a silent node are left out.
controllers='*,-node-lifecycle-controller,-taint-eviction-controller'
[[ -z ${WHOLE_NODE:-} ]] || controllers='*'
define kube-controller-manager "$bin/kube-controller-manager" \
  --kubeconfig "$STATE/conf/controller-manager.kubeconfig" \
  --authentication-kubeconfig "$STATE/conf/controller-manager.kubeconfig" \
  --authorization-kubeconfig "$STATE/conf/controller-manager.kubeconfig" \
  --controllers "$controllers" \
  --use-service-account-credentials \
  --service-account-private-key-file "$STATE/pki/sa.key" --root-ca-file "$STATE/pki/ca.crt" \
  --cluster-signing-cert-file "$STATE/pki/ca.crt" --cluster-signing-key-file "$STATE/pki/ca.key" \
  --flex-volume-plugin-dir "$STATE/flexvolume" \
  --leader-elect=false --bind-address 127.0.0.1 --kube-api-qps 200 --kube-api-burst 400

start etcd
"$here/program.sh" "$STATE" start kube-apiserver
start kube-controller-manager

kube() { "$bin/kubectl" --kubeconfig "$KUBECONFIG" "$@"; }
# Usable once the controllers have made the default service account.
wait_for 60 kube-controller-manager "default service account" kube -n default get serviceaccount default
[[ -z ${WHOLE_NODE:-} ]] || exit 0
kube create -f - >/dev/null <<YAML
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1", "topology.kubernetes.io/zone": "zone-a"}}}
YAML
kube patch node node-1 --subresource status --type merge -p '{"status": {
  "addresses": [{"type": "InternalIP", "address": "'"$NODE_IP"'"}],
  "allocatable": {"cpu": "64", "memory": "64Gi", "pods": "250"}, "capacity": {"cpu": "64", "memory": "64Gi", "pods": "250"},
  "conditions": [{"type": "Ready", "status": "True", "reason": "Static", "message": "no kubelet"}]}}' >/dev/null
# Admission taints each new Node not-ready; the controller that would lift the taint is left out.
kube patch node node-1 --type merge -p '{"spec": {"taints": null}}' >/dev/null
say "control plane: $NETNS, https://$NODE_IP:6443; KUBECONFIG=$KUBECONFIG; end it with: $here/down.sh $STATE"
