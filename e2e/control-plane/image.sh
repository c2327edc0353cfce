#!/usr/bin/env bash
# Makes a container image (a docker-archive) of nothing but local files, once: one that was made from the same inputs is
# left alone. The last line on stdout is the file.
#
#   image.sh pause            the sandbox of each pod                              carpool.test/pause:dev
#   image.sh coredns          cluster DNS, from build.sh                           carpool.test/coredns:dev
#   image.sh node             Node with its libraries, and busybox, for the apps   carpool.test/node:dev
#
# Needs gcc and busybox (Debian's busybox-static).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
images=${KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/carpool-kube}/images
kind=${1:?usage: image.sh pause|coredns|node}
out=$images/$kind.tar
mkdir -p "$images"

inputs=("$here/image.sh")
case $kind in
  pause) inputs+=("$here/pause.c") ;;
  coredns) inputs+=("$("$here/build.sh" coredns)/coredns") ;;
  node)
    # The project's own, whatever else is on the PATH: the programs of the tests are TypeScript.
    node=$here/../../node_modules/node/bin/node
    [[ -x $node ]] || { echo "image.sh: $node is missing: npm install" >&2; exit 1; }
    busybox=$(command -v busybox) || { echo "image.sh: busybox is missing (Debian: busybox-static)" >&2; exit 1; }
    inputs+=("$node" "$busybox") ;;
  *) echo "image.sh: unknown image: $kind" >&2; exit 2 ;;
esac
stamp=$(sha256sum "${inputs[@]}" | cut -d' ' -f1 | sha256sum | cut -d' ' -f1)
current() { [[ -f $out && $(cat "$images/.$kind.stamp" 2>/dev/null) == "$stamp" ]]; }
if current; then echo "$out"; exit; fi
exec 8>"$images/.$kind.lock"
flock 8
if current; then echo "$out"; exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root" "$work/image"

# add_libraries PROGRAM: every library that it loads, where the loader looks for it.
add_libraries() {
  local library
  ldd "$1" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i}' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  # What getaddrinfo loads at run time, so that ldd does not name it.
  for library in "$(dirname "$(ldd "$1" | awk '/libc\.so/ {print $3}')")"/{libnss_dns.so.2,libnss_files.so.2,libresolv.so.2}; do
    [[ ! -e $library ]] || { mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; }
  done
}

entry=null command=null
case $kind in
  pause)
    gcc -static -Os -s -o "$root/pause" "$here/pause.c"
    entry='["/pause"]' ;;
  coredns)
    cp "${inputs[-1]}" "$root/coredns"
    entry='["/coredns"]' ;;
  node)
    mkdir -p "$root"/{bin,usr/bin,etc,tmp,proc,sys,dev}
    chmod 1777 "$root/tmp"
    cp "$busybox" "$root/bin/busybox"
    ! ldd "$busybox" >/dev/null 2>&1 || add_libraries "$busybox"
    for applet in $("$busybox" --list); do
      [[ $applet == busybox ]] || ln -sf busybox "$root/bin/$applet"
    done
    cp -L "$node" "$root/usr/bin/node"
    strip "$root/usr/bin/node" || true
    add_libraries "$node"
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    command='["/usr/bin/node"]' ;;
esac

pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"; }
case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
pack -C "$root" -cf "$work/image/layer.tar" .
layer=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
cat >"$work/image/config.json" <<JSON
{"architecture": "$machine", "os": "linux", "created": "1970-01-01T00:00:00Z",
 "config": {"Entrypoint": $entry, "Cmd": $command, "Env": ["PATH=/usr/bin:/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}, "history": [{"created": "1970-01-01T00:00:00Z"}]}
JSON
echo '[{"Config": "config.json", "RepoTags": ["carpool.test/'"$kind"':dev"], "Layers": ["layer.tar"]}]' >"$work/image/manifest.json"
pack -C "$work/image" -cf "$out.new" manifest.json config.json layer.tar
mv "$out.new" "$out"
echo "$stamp" >"$images/.$kind.stamp"
echo "$out"
