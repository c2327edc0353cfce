# shellcheck shell=bash
# Sourced by up.sh.

# make_network: takes the first free slot N (0-255) and makes
#   namespace carpool-kube-N
#   veth ck<N>h 10.245.N.1/30 (host)  <->  up0 10.245.N.2/30 (namespace; NODE_IP)
#   bridge pods0 10.244.N.1/24 in the namespace; pods take addresses of that /24
#   host route 10.244.N.0/24 (pods) via 10.245.N.2
# Service addresses are only numbers here: nobody answers them.
# The namespace has no default route: nothing in it can reach any other network.
make_network() {
  local slot inside
  exec 9>/run/lock/carpool-kube.lock
  flock 9
  for slot in {0..255}; do [[ -e /run/netns/carpool-kube-$slot ]] || break; done
  [[ ! -e /run/netns/carpool-kube-$slot ]] || die "no free slot"
  ip netns add "carpool-kube-$slot"
  exec 9>&-
  put SLOT "$slot"
  put NETNS "carpool-kube-$slot"
  put HOST_IP "10.245.$slot.1"
  put NODE_IP "10.245.$slot.2"
  inside=(nsenter --net="/run/netns/$NETNS" --)
  ip link add "ck${slot}h" type veth peer name up0 netns "$NETNS"
  ip addr add "$HOST_IP/30" dev "ck${slot}h"
  ip link set "ck${slot}h" up
  ip route replace "10.244.$slot.0/24" via "$NODE_IP"
  "${inside[@]}" ip link set lo up
  "${inside[@]}" ip addr add "$NODE_IP/30" dev up0
  "${inside[@]}" ip link set up0 up
  "${inside[@]}" ip link add pods0 type bridge
  "${inside[@]}" ip addr add "10.244.$slot.1/24" dev pods0
  "${inside[@]}" ip link set pods0 up
  "${inside[@]}" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}
