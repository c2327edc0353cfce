# shellcheck shell=bash
# Sourced by node-up.sh: kubelet and kube-proxy.

# The kubelet wants its cgroup made before. Its weight is that of eight groups of the machine's, not of one: pods are to get
# processors also while other things run here.
make_cgroup() {
  local hierarchy file
  put CGROUP "carpool-kube-$SLOT"
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    echo "+cpu +cpuset +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    echo 800 >"/sys/fs/cgroup/$CGROUP/cpu.weight"
    return
  fi
  # Version 1: in each hierarchy one, and a cpuset is of no use until it has processors and memory nodes.
  for hierarchy in /sys/fs/cgroup/*/; do
    [[ -e $hierarchy/cgroup.procs ]] || continue
    mkdir -p "$hierarchy$CGROUP"
    for file in cpuset.cpus cpuset.mems; do
      [[ ! -e $hierarchy$CGROUP/$file ]] || cat "$hierarchy$file" >"$hierarchy$CGROUP/$file"
    done
    [[ ! -e $hierarchy$CGROUP/cpu.shares ]] || echo 8192 >"$hierarchy$CGROUP/cpu.shares"
  done
}

start_kubelet() {
  make_cgroup
  mkdir -p "$STATE"/{kubelet,pod-logs}
  echo "options ndots:5" >"$STATE/conf/resolv.conf"
  # Images cannot be pulled again, so none is ever collected, and no pod is evicted for a full disk.
  cat >"$STATE/conf/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $STATE/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $STATE/pki/kubelet.crt
tlsPrivateKeyFile: $STATE/pki/kubelet.key
containerRuntimeEndpoint: $CRI
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
# How long an edited ConfigMap takes to a pod's volume, at most: a minute unless said.
syncFrequency: 10s
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
resolvConf: $STATE/conf/resolv.conf
podLogsDir: $STATE/pod-logs
volumePluginDir: $STATE/flexvolume
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
makeIPTablesUtilChains: false
oomScoreAdj: 0
YAML
  define kubelet "$BIN/kubelet" --config "$STATE/conf/kubelet.yaml" --kubeconfig "$STATE/conf/kubelet.kubeconfig" \
    --root-dir "$STATE/kubelet" --cert-dir "$STATE/pki" --hostname-override node-1 --node-ip "$NODE_IP" \
    --node-labels topology.kubernetes.io/zone=zone-a
  start kubelet
}

start_proxy() {
  cat >"$STATE/conf/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $STATE/conf/kube-proxy.kubeconfig}
mode: nftables
clusterCIDR: 10.244.$SLOT.0/24
hostnameOverride: node-1
oomScoreAdj: 0
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
# The limits of connection tracking are the machine's, not to be set from a namespace.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
  define kube-proxy "$BIN/kube-proxy" --config "$STATE/conf/kube-proxy.yaml"
  start kube-proxy
}
