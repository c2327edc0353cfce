# shellcheck shell=bash
# Sourced by up.sh, down.sh and program.sh, never run.
#
# A cluster is one folder. In it:
#   env      what scripts and tests need to know: SLOT, NETNS, NODE_IP, ...
#   pids     one line for each program started: "pid start-time name"
#   run/     how each program is started, a script for each
#   pki/ conf/ logs/ etcd/
# Everything runs inside one network namespace, so that ports and addresses never meet the machine's own or another
# cluster's.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# start_time PID: the kernel's start tick of a process. With the pid it names one process for good: a pid that was
# given to another process meanwhile is never signalled.
start_time() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${stat##*) }" # from field 3 on: the name before it may hold spaces
  [[ ${fields[0]} != Z ]] || return 1
  printf '%s\n' "${fields[19]}"
}

# pid_of NAME: the process that runs under NAME, or nothing.
pid_of() {
  local pid started name
  while read -r pid started name; do
    [[ $name == "$1" && $(start_time "$pid") == "$started" ]] && { echo "$pid"; return 0; }
  done < <(tac "$STATE/pids")
  return 1
}

# define NAME COMMAND...: how NAME is started.
define() {
  local name=$1; shift
  printf 'exec' >"$STATE/run/$name"
  printf ' %q' "$@" >>"$STATE/run/$name"
}

# start NAME: starts a defined program inside the namespace, with its output in logs/NAME.log, and writes it down.
start() {
  # nsenter, not `ip netns exec`: the latter mounts a fresh /sys.
  nsenter --net="/run/netns/$NETNS" -- setsid bash "$STATE/run/$1" >>"$STATE/logs/$1.log" 2>&1 </dev/null 8>&- 9>&- &
  local pid=$!
  disown "$pid"
  printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$1" >>"$STATE/pids"
}

# wait_for SECONDS NAME WHAT COMMAND...: polls until COMMAND succeeds; gives up early when program NAME has died.
wait_for() {
  local limit=$1 name=$2 what=$3; shift 3
  local end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    pid_of "$name" >/dev/null || { tail -n 20 "$STATE/logs/$name.log" >&2; die "$name ended; see $STATE/logs/$name.log"; }
    ((SECONDS < end)) || { tail -n 20 "$STATE/logs/$name.log" >&2; die "no $what after $limit s; see $STATE/logs/$name.log"; }
    sleep 0.1
  done
}

# finish NAME SIGNAL: ends a program, with SIGKILL after 10 s.
finish() {
  local pid deadline=$((SECONDS + 10))
  pid=$(pid_of "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || true
  while pid_of "$1" >/dev/null; do
    ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
    sleep 0.05
  done
  # Its first thread is a zombie while others still end, with the ports that they hold.
  while [[ $(ls "/proc/$pid/task" 2>/dev/null | wc -l) -gt 1 ]] && ((SECONDS < deadline)); do sleep 0.05; done
}

# put NAME VALUE: adds to the cluster's env file and sets it here.
put() { printf '%s=%q\n' "$1" "$2" >>"$STATE/env"; printf -v "$1" %s "$2"; }

# open_state FOLDER: sets STATE and what its env file says.
open_state() {
  STATE=$(cd "${1:?the folder of a cluster is needed}" && pwd)
  [[ -f $STATE/env ]] || die "$STATE is no cluster's folder"
  # shellcheck source=/dev/null
  . "$STATE/env"
}
