#!/usr/bin/env bash
# Imports images into a node that runs.
#   image-in.sh FOLDER IMAGE.tar...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$here/runtime.sh"
open_state "${1:-}"
shift
[[ -n ${CRI:-} ]] || die "$STATE is a control plane alone"
for image in "$@"; do import_image "$image"; done
