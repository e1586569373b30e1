# common.sh: what the scripts of this folder share; sourced, never run. `me` is the name that messages begin with.
# shellcheck shell=bash
set -euo pipefail
me=${0##*/}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${PROVMAT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/provmat}
quiet=0

say() { [ "$quiet" = 1 ] || printf '%s: %s\n' "$me" "$*" >&2; }
die() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }

# The comment at the head of the script is its manual.
manual() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit "${1:-0}"; }

# Runs the rest of the line holding $cache/NAME.lock, so that two first starts do not fill the cache at once. The lock is closed for
# what the function starts in the background by `9>&-` there.
with_lock() {
    local name=$1; shift
    mkdir -p "$cache" || die "cannot make the cache folder $cache"
    exec 9>"$cache/$name.lock"
    flock -w 600 9 || die "another process holds $cache/$name.lock for more than 600 s"
    "$@"
    exec 9>&-
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port [COUNT]: a port P of 127.0.0.1 with nothing on the COUNT (2) ports from P on, below the range that the kernel gives to clients.
free_port() {
    local port at
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        for ((at = port; at < port + ${1:-2}; at++)); do ! listening $at || continue 2; done
        echo $port
        return
    done
    die "found no free port on 127.0.0.1"
}

# alive PIDFILE TEXT: sets `pid` when PIDFILE's process runs and TEXT is in its command line; a number that was given to another
# process since is thereby never taken for ours.
alive() {
    pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2"
}

# stop PIDFILE TEXT SIGNAL SECONDS: ends the process of PIDFILE, with SIGKILL when it takes longer; removes the file.
stop() {
    local end=$((SECONDS + $4)) signal=$3
    if ! alive "$1" "$2"; then say "nothing runs there"; rm -f "$1"; return; fi
    kill -"$signal" "$pid"
    while alive "$1" "$2"; do
        if [ $SECONDS -ge $end ]; then
            [ "$signal" != KILL ] || die "process $pid does not end"
            say "process $pid did not end in $4 s: kill -9"
            signal=KILL end=$((SECONDS + 10))
            kill -KILL "$pid" 2>/dev/null || true
        fi
        sleep 0.05
    done
    rm -f "$1"
    say "process $pid has ended"
}

# maven ARGUMENT...: quiet, with the reason in two lines when it fails.
maven() {
    local out; out=$(mktemp)
    command -v mvn >/dev/null || die "there is no mvn; run: make deps"
    if ! timeout 600 mvn -B -q -Dstyle.color=never "$@" >"$out" 2>&1 </dev/null; then
        { grep -m2 'ERROR.*[a-z]' "$out" || tail -n 5 "$out"; } >&2
        rm -f "$out"
        return 1
    fi
    rm -f "$out"
}

java_version_at_least() {
    local found
    command -v java >/dev/null || die "there is no java; run: make deps"
    found=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p;q')
    [ "${found:-0}" -ge "$1" ] || die "java is version ${found:-unknown}; $1 or newer is needed"
    java_version=$found
}
