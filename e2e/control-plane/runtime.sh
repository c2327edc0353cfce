# shellcheck shell=bash
# Sourced by node-up.sh and image-in.sh: the container runtime, which is containerd with its files in the cluster's folder.

# start_runtime PLUGINS: PLUGINS is the folder of the CNI plugins.
start_runtime() {
  mkdir -p "$STATE"/{cri,containerd,cni,cni-addresses}
  cat >"$STATE/cni/10-pods.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$STATE/cni-addresses",
            "ranges": [[{"subnet": "10.244.$SLOT.0/24", "rangeStart": "10.244.$SLOT.10"}]]}}]}
JSON
  cat >"$STATE/conf/containerd.toml" <<TOML
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
root = "$STATE/containerd"
state = "$STATE/cri"
[grpc]
  address = "$STATE/cri/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "carpool.test/pause:dev"
  stream_server_address = "127.0.0.1"
  netns_mounts_under_state_dir = true
  # Root without CAP_SYS_RESOURCE may lower no oom_score_adj, and runc would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$1"
    conf_dir = "$STATE/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
TOML
  put CRI "unix://$STATE/cri/containerd.sock"
  define containerd "$(command -v containerd)" --config "$STATE/conf/containerd.toml"
  start containerd
  wait_for 20 containerd "answer from containerd" runtime version
}

runtime() { ctr --address "${CRI#unix://}" --namespace k8s.io "$@"; }

# import_image FILE: whatever the archive holds, under the names that it gives.
import_image() {
  runtime images import "$1" >"$STATE/logs/import.log" 2>&1 || { cat "$STATE/logs/import.log" >&2; die "cannot import $1"; }
}
