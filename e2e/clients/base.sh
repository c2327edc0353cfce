#!/usr/bin/env bash
# Debian with the packages and Python's wheels, and certificates for what the clients call by HTTPS, as a tar.
#   base.sh OUT.tar RELEASE PACKAGES REQUIREMENTS
set -euo pipefail
out=$1 release=$2 packages=$3 requirements=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# The mirror that this machine uses for the same release; debootstrap knows one itself otherwise.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $release" | head -n 1) || mirror=
if ! debootstrap --variant=minbase --include="$packages" "$release" "$root" ${mirror:+"$mirror"} >"$work/log" 2>&1; then
  tail -n 20 "$work/log" >&2
  exit 1
fi

python=$(basename "$(readlink -f "$root/usr/bin/python3")")
python3 -m pip install --quiet --no-deps --require-hashes --only-binary=:all: --python-version "${python#python}" \
  --target "$root/usr/lib/python3/dist-packages" --upgrade -r "$requirements"

# An authority of its own, and a server for api.example.test, which is no name of the cluster's.
tls=$root/clients/tls
mkdir -p "$tls"
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
key "$work/ca.key"
openssl req -x509 -new -key "$work/ca.key" -days 3650 -subj /CN=clients-ca -out "$tls/ca.crt" \
  -addext keyUsage=critical,keyCertSign,cRLSign
key "$tls/server.key"
openssl req -new -key "$tls/server.key" -subj /CN=api.example.test -out "$work/server.csr"
openssl x509 -req -in "$work/server.csr" -CA "$tls/ca.crt" -CAkey "$work/ca.key" -days 3650 -set_serial 2 -out "$tls/server.crt" \
  -extfile <(printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:api.example.test') 2>/dev/null
# Java finds its own parts by /proc.
ROOT=$root unshare --mount sh -ec 'mount --bind /proc "$ROOT/proc"
  chroot "$ROOT" keytool -importcert -noprompt -alias clients -file /clients/tls/ca.crt -keystore /clients/tls/trust.p12 -storepass changeit' 2>/dev/null

tar --sort=name --mtime=@0 --numeric-owner -C "$root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
  --exclude=./usr/share/locale --exclude=./usr/share/man --exclude='./dev/*' --exclude='./proc/*' --exclude='__pycache__' -cf "$out" .
