#!/bin/bash
# Runs a client with the environment as it is, and tells at the end what of it went to the proxy, as pod.py saw it.
#   client.sh MARK CLIENT (OP URL COUNT)...
mark=$1 client=$2
shift 2
here=/clients log=/tmp/heads
say() { printf '%s' "$1" >/dev/udp/127.0.0.1/14140; }
say "begin $mark"
case $client in
  urllib | requests | httpx | aiohttp* | grpcio) python3 $here/clients.py "$client" "$@" ;;
  go | grpc-go) $here/go-clients "$client" "$@" ;;
  java*)
    # Run from its source.
    java -Djavax.net.ssl.trustStore=$here/tls/trust.p12 -Djavax.net.ssl.trustStorePassword=changeit $here/java/Clients.java "$client" "$@" ;;
  axios) node $here/axios.mjs "$@" ;;
  *-node24) node24 $here/clients.mjs "${client%-node24}" "$@" ;;
  *) node $here/clients.mjs "$client" "$@" ;;
esac
code=$?
say "end $mark"
# What is read of a packet is written a moment after it has gone.
for _ in {1..200}; do
  grep -qx "end $mark" $log && break
  sleep 0.05
done
sed -n "/^begin $mark\$/,/^end $mark\$/p" $log | sed '1d;$d;s/^/proxy: /'
exit $code
