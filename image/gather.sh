#!/usr/bin/env bash
# Puts together the root of the image; runs in the Dockerfile's build stage, after build.ts.
#
#   image/gather.sh FOLDER
#
# Nothing here names an architecture: libraries are found where the loader of this machine finds them.
set -euo pipefail
root=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
umask 022
mkdir -p "$root"/{app,bin,etc/ssl/certs,tmp,usr/bin,usr/local/bin,usr/share/doc}

# --- programs ------------------------------------------------------------------------------------------------------

node=$(realpath "$(command -v node)")
# Symbols of the linker are a fifth of the file. The dynamic ones stay: native code is still named in a stack trace.
strip --strip-all -o "$root/usr/bin/node" "$node"
# The kubelet runs it as preStop hook in legacy mode.
cp -L "$(command -v sleep)" "$root/bin/sleep"
chmod 0755 "$root/usr/bin/node" "$root/bin/sleep"

# --- the libraries that they load -------------------------------------------------------------------------------------

# C-ares and carpool's own stub resolve without NSS; for getaddrinfo (the Redis client, a parent proxy's name) glibc 2.34
# and later has `files` and `dns` built in.
declare -A packages=()
for library in $(ldd "$root/usr/bin/node" "$root/bin/sleep" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
  # Packages know a library by its place before or after the merge of /lib into /usr/lib.
  package=$(dpkg -S "$library" "/usr$library" "${library#/usr}" "$(realpath "$library")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
  [[ -z $package ]] || packages[$package]=1
done

# --- licences -------------------------------------------------------------------------------------------------------

for package in "${!packages[@]}"; do
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done
licence=$(dirname "$(dirname "$node")")/LICENSE
if [[ -f $licence ]]; then
  mkdir -p "$root/usr/share/doc/node"
  cp "$licence" "$root/usr/share/doc/node/LICENSE"
fi
cp "$here/LICENSE" "$root/app/LICENSE"
# Of the packages in the files of carpool.
cp "$here/dist/LICENSES.txt" "$root/app/LICENSES.txt"

# --- carpool ----------------------------------------------------------------------------------------------------------

# What traces is loaded by the sidecar, where it is wanted.
for program in carpool webhook tracing; do
  [[ ! -f $here/dist/$program.js ]] || cp "$here/dist/$program.js" "$root/app/"
done
# Without it Node reads each file twice to learn that it is an ES module.
echo '{"type":"module"}' >"$root/app/package.json"
# `carpool pools` by kubectl exec. The kernel starts it: no shell, no env.
cat >"$root/usr/local/bin/carpool" <<'JS'
#!/usr/bin/node
import('/app/carpool.js');
JS
chmod 0755 "$root/usr/local/bin/carpool"

# --- what programs look up -------------------------------------------------------------------------------------------

cat >"$root/etc/passwd" <<'TEXT'
root:x:0:0:root:/:/usr/sbin/nologin
carpool:x:65532:65532:carpool:/:/usr/sbin/nologin
TEXT
cat >"$root/etc/group" <<'TEXT'
root:x:0:
carpool:x:65532:
TEXT
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# The public roots that this version of Node has built in, for settings that name a file of them.
"$node" -e "process.stdout.write(require('node:tls').getCACertificates('bundled').join('\n') + '\n')" \
  >"$root/etc/ssl/certs/ca-certificates.crt"
chmod 1777 "$root/tmp"

# --- it must start as it is, and leaves V8's code cache ------------------------------------------------------------------

# A sidecar that is ready sooner delays its pod less; a container's own root is read-only, so it could never write this.
# The seed makes the cache the same each time; V8 takes it whatever the seed, and whatever processor of this architecture.
cache=$root/app/cache
install -d -o 65532 -g 65532 "$cache"
inside() { NODE_COMPILE_CACHE=/app/cache NODE_OPTIONS= chroot --userspec=65532:65532 "$root" "$@" >/dev/null; }
inside /bin/sleep 0
inside /usr/bin/node --random-seed=1 /app/carpool.js --version
inside /usr/bin/node --random-seed=1 /usr/local/bin/carpool --version
inside /usr/local/bin/carpool --version
[[ ! -f $root/app/webhook.js ]] || inside /usr/bin/node --random-seed=1 /app/webhook.js --help
[[ ! -f $root/app/tracing.js ]] || inside /usr/bin/node --random-seed=1 /app/tracing.js
chown -R 0:0 "$cache"
chmod -R u=rwX,go=rX "$cache"

find "$root" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
