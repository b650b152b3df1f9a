# shellcheck shell=bash
# Shared by the end-to-end stages: a LAN of network namespaces, our programs in them, checks with bounds.
# Runs as root inside scripts/vm (or its --native namespaces), from the top of the package.
# Every wait polls a fact and has a bound in seconds; nothing sleeps until things settle.
set -euo pipefail

# Where the executables stand; a release build can be tested by setting it.
programs=${WGMESH_PROGRAMS:-$PWD/.build/debug}
management=10.99.0.1:8443
work=$(mktemp -d /tmp/wgmesh.XXXXXX)
mkdir "$work/server"
declare -A process=() # name -> process id of what runs now
passed=0 failed=0

say() { printf '%s\n' "$*" >&2; }

# --- results ---------------------------------------------------------------------------------------------------------

# A description can be a whole configuration file: what failed is told in full, what passed is not.
pass() { passed=$((passed + 1)); printf 'PASS %.200s\n' "$*"; }
fail() { failed=$((failed + 1)); printf 'FAIL %s\n' "$*"; }

# check DESCRIPTION COMMAND...: PASS when COMMAND succeeds; its last output is the reason when it does not.
check() {
    local description=$1 output status=0
    shift
    output=$("$@" 2>&1 </dev/null) || status=$?
    if [ "$status" = 0 ]; then
        pass "$description"
    else
        fail "$description (status $status: $(tail -n 3 <<<"$output" | tr '\n' ' '))"
    fi
}

# check_equal DESCRIPTION ACTUAL EXPECTED
check_equal() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1 (is '$2', expected '$3')"; fi
}

# finish: ends the stage; failure shows every log.
finish() {
    printf '%s: %d checks passed, %d failed\n' "$(basename "$0")" "$passed" "$failed"
    [ "$failed" = 0 ] || show_logs
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit
}

show_logs() {
    local log
    for log in "$work"/*/log; do
        [ -s "$log" ] || continue
        printf -- '--- %s (last 40 lines)\n' "$log"
        tail -n 40 "$log"
    done
}

# --- waiting ---------------------------------------------------------------------------------------------------------

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# eventually SECONDS COMMAND...: runs COMMAND until it succeeds; false when the time is up, with what COMMAND says then.
eventually() {
    local deadline=$(($(milliseconds) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1 </dev/null; do
        [ "$(milliseconds)" -lt "$deadline" ] || { "$@" || true; return 1; }
        sleep 0.1
    done
}

# has GREP-ARGUMENT...: whether a line of standard input matches. Reads all of it, unlike `grep -q`, which would end what
# writes by SIGPIPE, and with pipefail the check would fail although the line is there.
has() {
    local status=0
    grep -q "$@" || status=$?
    cat >/dev/null
    return "$status"
}

# spread FILE LINE: milliseconds from the first event after LINE to the last, as `ip -ts monitor` stamped them.
spread() {
    tail -n "+$(($2 + 1))" "$1" | sed -nE 's/^\[[0-9-]+T([0-9]+):([0-9]+):([0-9.]+)\].*/\1 \2 \3/p' |
        awk '{ t = ($1 * 3600 + $2 * 60 + $3) * 1000 } NR == 1 { first = t } END { printf "%d\n", t - first }'
}

# --- the LAN ---------------------------------------------------------------------------------------------------------

# lan_up: one bridge in a namespace of its own.
lan_up() {
    ip netns add lan
    ip -n lan link add br0 type bridge
    ip -n lan link set br0 up
}

# host_up NAME N: a host with 10.99.0.N/24 and fd99::N/64 on eth0. (ICE passes over interfaces named veth*.)
host_up() {
    ip netns add "$1"
    ip -n lan link add "p-$1" type veth peer name eth0 netns "$1"
    ip -n lan link set "p-$1" master br0 up
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$1" addr add "10.99.0.$2/24" dev eth0
    ip -n "$1" addr add "fd99::$2/64" dev eth0 nodad
}

# addresses_settled NAME: an address that duplicate address detection still looks at is `tentative` in a picture of the
# host, and has no route yet; not so a second later.
addresses_settled() {
    [ -n "$(ip -n "$1" -6 -o addr show dev eth0 scope link)" ] && [ -z "$(ip -n "$1" -6 -o addr show tentative)" ]
}

# in_host NAME COMMAND...: in the network namespace of the host.
in_host() {
    local host=$1
    shift
    nsenter --net="/run/netns/$host" "$@"
}

# --- our programs ----------------------------------------------------------------------------------------------------

# The environment of a service: nothing of the caller's WGMESH_* settings.
clean=(env -i "PATH=$PATH" HOME=/root)

# start NAME HOST COMMAND...: in the background, both outputs to NAME/log, its id in process[NAME].
start() {
    local name=$1 host=$2
    shift 2
    mkdir -p "$work/$name"
    nsenter --net="/run/netns/$host" "${clean[@]}" "$@" </dev/null >>"$work/$name/log" 2>&1 &
    process[$name]=$!
}

# stop NAME [SIGNAL]: sends it (TERM) and waits for the end; the exit status is the program's.
stop() {
    kill -s "${2:-TERM}" "${process[$1]}"
    local status=0
    wait "${process[$1]}" 2>/dev/null || status=$?
    unset "process[$1]"
    return "$status"
}

# check_stop NAME: SIGTERM ends it with status 0. Not `check ... stop`: only this shell can wait for its child.
check_stop() {
    local status=0
    stop "$1" || status=$?
    check_equal "SIGTERM ends $1 with status 0" "$status" 0
}

is_running() { kill -0 "${process[$1]}" 2>/dev/null; }

server_data=$work/server/data

server_start() {
    start server server "$programs/wgmesh-server" serve \
        --data-dir "$server_data" --listen "$management" --public-address "$management"
}

server_answers() { in_host server bash -c "exec 3<>/dev/tcp/${management/://}"; }

# server_ready: waits until the server takes connections; fails at once when it has ended.
server_ready() {
    eventually 60 server_answers_or_ended && server_answers
}
server_answers_or_ended() { server_answers || ! is_running server; }

server_do() { in_host server "${clean[@]}" "$programs/wgmesh-server" "$@" --data-dir "$server_data"; }

# new_key NAME [FLAG...]: prints the setup key.
new_key() {
    local name=$1
    shift
    server_do setup-key create --name "$name" --type reusable "$@"
}

# agent_start NAME [FLAG...]: an agent on host NAME, its files in $work/NAME, the setup key from $work/key.
agent_start() {
    local name=$1
    shift
    start "$name" "$name" "$programs/wgmesh-agent" run --management-url "http://$management" \
        --setup-key-file "$work/key" --state-dir "$work/$name/state" --socket "$work/$name/agent.sock" \
        --hostname "$name" "$@"
}

# wgctl NAME ARGUMENT...: wgctl on host NAME, asking the agent there.
wgctl() {
    local name=$1
    shift
    in_host "$name" "${clean[@]}" "WGMESH_SOCKET=$work/$name/agent.sock" "$programs/wgctl" "$@"
}

# status_field NAME FILTER: FILTER (of jq) over `wgctl status --json`; an agent that is degraded answers too (status 5).
status_field() {
    local json status=0
    json=$(wgctl "$1" status --json) || status=$?
    [ "$status" = 0 ] || [ "$status" = 5 ] || return "$status"
    jq -er "$2" <<<"$json"
}

# address NAME 4|6: the host's overlay address, as the kernel has it.
address() {
    ip -n "$1" -j "-$2" addr show dev wgm0 | jq -er '.[0].addr_info[0].local'
}

# has_handshakes NAME N: `wg` sees a handshake with N peers.
has_handshakes() {
    [ "$(in_host "$1" wg show wgm0 latest-handshakes | awk '$2 > 0' | wc -l)" -ge "$2" ]
}

# reaches FROM TO: one ping in v4 and one in v6, overlay to overlay.
reaches() {
    in_host "$1" ping -c 1 -W 2 -q "$(address "$2" 4)" && in_host "$1" ping -6 -c 1 -W 2 -q "$(address "$2" 6)"
}

# loses_none FROM TO 4|6 COUNT: COUNT pings, all answered.
loses_none() {
    local output
    output=$(in_host "$1" ping "-$3" -q -c "$4" -i 0.05 -W 3 "$(address "$2" "$3")") || { echo "$output"; return 1; }
    echo "$output" | grep 'packets transmitted'
    grep -q " $4 received, 0% packet loss" <<<"$output"
}

# mesh_up NAME...: LAN, server, a key and one agent per NAME, until each has a handshake with every other.
mesh_up() {
    local name number=11
    lan_up
    host_up server 1
    server_start
    check "the server takes connections" server_ready
    new_key mesh >"$work/key"
    for name in "$@"; do
        host_up "$name" "$number"
        number=$((number + 1))
        agent_start "$name"
    done
    for name in "$@"; do
        check "$name has a handshake with every other peer" eventually 120 has_handshakes "$name" $(($# - 1))
    done
}

# Nothing of a stage outlives it, also natively.
cleanup() {
    local name
    for name in "${!process[@]}"; do kill -9 "${process[$name]}" 2>/dev/null || true; done # may have ended
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
# A step outside the checks that fails ends the stage; say which.
trap 'printf "FAIL %s:%d: %s\n" "$0" "$LINENO" "$BASH_COMMAND"; show_logs' ERR
