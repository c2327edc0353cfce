#!/usr/bin/env bash
# Ends or starts one program of a running cluster.
#   program.sh FOLDER kill NAME     at once, as a crash would
#   program.sh FOLDER start NAME    as it was started before; the API server is waited for
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
open_state "${1:-}"
name=${3:?usage: program.sh FOLDER kill|start NAME}
[[ -f $STATE/run/$name ]] || die "no program $name"

case ${2:-} in
  kill) finish "$name" KILL ;;
  start)
    pid_of "$name" >/dev/null || start "$name"
    if [[ $name == kube-apiserver ]]; then
      wait_for 90 "$name" /readyz "$BIN/kubectl" --kubeconfig "$KUBECONFIG" get --raw /readyz
    fi ;;
  *) die "usage: program.sh FOLDER kill|start NAME" ;;
esac
