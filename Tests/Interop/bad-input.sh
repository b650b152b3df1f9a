#!/bin/bash
# Each thing a user can get wrong ends with one clear line and its own exit status, or is shown and survived.
# The statuses are those of Sources/MeshModel/ExitStatus.swift.
. "$(dirname "$0")/lib.sh"

python=${WGMESH_CACHE:?is set by scripts/vm}/python-witness/bin/python

# refuses STATUS PATTERN DESCRIPTION COMMAND...: COMMAND ends by itself with STATUS, and exactly one line of its
# standard error is its verdict (`PROGRAM: ...`); that line matches PATTERN.
refuses() {
    local expected=$1 pattern=$2 description=$3 status=0 verdict
    shift 3
    timeout -k 2 60 "$@" >"$work/output" 2>"$work/error" </dev/null || status=$?
    verdict=$(grep -E '^(wgmesh-agent|wgmesh-server|wgctl): ' "$work/error" || true)
    if [ "$status" != "$expected" ]; then
        fail "$description (status $status, expected $expected: $(tail -n 2 "$work/error"))"
    elif [ "$(grep -c . <<<"$verdict")" != 1 ]; then
        fail "$description (expected one line 'PROGRAM: ...', got: $(tail -n 4 "$work/error"))"
    elif ! grep -qiE -- "$pattern" <<<"$verdict"; then
        fail "$description ('$verdict' does not say /$pattern/)"
    else
        pass "$description: $verdict"
    fi
}

# agent HOST NAME [FLAG...]: the command line of an agent in the foreground, files in $work/NAME.
agent() {
    local host=$1 name=$2
    shift 2
    mkdir -p "$work/$name"
    command=(nsenter --net="/run/netns/$host" "${clean[@]}" "$programs/wgmesh-agent" run
        --management-url "http://$management" --state-dir "$work/$name/state" --socket "$work/$name/agent.sock"
        --hostname "$name" "$@")
}
serve() { # DATA [LISTEN]
    command=(nsenter --net=/run/netns/server "${clean[@]}" "$programs/wgmesh-server" serve --data-dir "$1"
        --listen "${2:-$management}" --public-address "${2:-$management}")
}
server_error() { status_field a '.management.connected == false and .management.error != ""'; }
is_connected() { status_field a .management.connected; }

lan_up
host_up server 1
host_up a 11
host_up b 12
mkdir -p "$work/keys"
new_key good >"$work/key"
server_do setup-key create --name revoked --type reusable >"$work/keys/revoked"
server_do setup-key revoke revoked >/dev/null
server_do setup-key create --name once --type one-off >"$work/keys/once"
echo 11111111-2222-3333-4444-555555555555 >"$work/keys/wrong"

# --- the server is absent, then comes --------------------------------------------------------------------------------

agent_start a
check "without a server, status shows why" eventually 60 server_error
check "its text names a reason and exit status 5 or 4" eval 'wgctl a status; [ $? = 5 ] || [ $? = 4 ]'
check "the agent lives on" is_running a
server_start
check "the server takes connections" server_ready
check "the agent connects by itself" eventually 60 is_connected

# --- setup keys ------------------------------------------------------------------------------------------------------

agent b wrong --setup-key-file "$work/keys/wrong"
refuses 15 'setup key' "a wrong setup key" "${command[@]}"
agent b revoked --setup-key-file "$work/keys/revoked"
refuses 15 'setup key' "a revoked setup key" "${command[@]}"
agent b empty-key --setup-key 'no key at all'
refuses 15 'setup key' "a setup key that is none" "${command[@]}"
agent b missing-key --setup-key-file "$work/keys/absent"
refuses 15 'absent' "a setup key file that is not there" "${command[@]}"
agent b no-key
refuses 4 'setup key' "no setup key and not registered" "${command[@]}"

# --- command line ----------------------------------------------------------------------------------------------------

agent b usage --listen-port 70000
refuses 2 'listen-port' "a listen port out of range" "${command[@]}"
agent b usage --management-url nonsense
refuses 2 'management-url' "a management URL that is none" "${command[@]}"
refuses 3 'agent' "wgctl status without an agent" "${clean[@]}" "$programs/wgctl" status --socket "$work/absent.sock"

# --- what is taken ---------------------------------------------------------------------------------------------------

start blocker b "$python" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 51820)); print("bound", flush=True); time.sleep(1e6)'
eventually 30 grep -q bound "$work/blocker/log"
agent b port-taken --setup-key-file "$work/key"
refuses 12 '51820' "the UDP port is taken" "${command[@]}"
stop blocker KILL || true # killed on purpose
check "no link is left behind" eval '! ip -n b link show wgm0'
ip -n b link add wgm0 type dummy
foreign=$(ip -n b -o link show wgm0)
agent b name-taken --setup-key-file "$work/key"
refuses 17 'wgm0' "a foreign link has our name" "${command[@]}"
check_equal "the foreign link is untouched" "$(ip -n b -o link show wgm0)" "$foreign"
ip -n b link delete wgm0
agent a a --setup-key-file "$work/key"
refuses 16 'state' "a second agent on one state directory" "${command[@]}"
serve "$work/server/data"
refuses 16 'data' "a second server on one data directory" "${command[@]}"
serve "$work/second-server"
refuses 12 '8443' "the TCP port is taken" "${command[@]}"

# --- not root --------------------------------------------------------------------------------------------------------

agent b nobody --setup-key-file "$work/key"
refuses 10 'root' "the agent as nobody" setpriv --reuid 65534 --regid 65534 --clear-groups "${command[@]:2}"
refuses 10 'root' "wgctl down as nobody" setpriv --reuid 65534 --regid 65534 --clear-groups "${clean[@]}" \
    "$programs/wgctl" down --socket "$work/absent.sock"

# --- damaged files ---------------------------------------------------------------------------------------------------

agent b damaged --setup-key-file "$work/key"
for content in 'not a key' ''; do
    rm -rf "$work/damaged/state"
    mkdir -m 700 "$work/damaged/state"
    printf '%s' "$content" >"$work/damaged/state/private.key"
    chmod 600 "$work/damaged/state/private.key"
    refuses 13 'private.key' "a damaged state file ('$content')" "${command[@]}"
    check_equal "the damaged file is as it was" "$(cat "$work/damaged/state/private.key")" "$content"
done
mkdir -m 700 "$work/damaged-server"
head -c 20000 /dev/urandom >"$work/damaged-server/server.db"
chmod 600 "$work/damaged-server/server.db"
before=$(sha256sum <"$work/damaged-server/server.db")
serve "$work/damaged-server" 10.99.0.1:9443
refuses 14 'server.db' "a damaged database" "${command[@]}"
refuses 14 'server.db' "setup-key create on a damaged database" "${clean[@]}" "$programs/wgmesh-server" \
    setup-key create --data-dir "$work/damaged-server" --name x --type reusable
check_equal "the damaged database is as it was" "$(sha256sum <"$work/damaged-server/server.db")" "$before"

# --- malformed and oversized messages --------------------------------------------------------------------------------

server_process=${process[server]}
if in_host b "$python" "$(dirname "$0")/bad_messages.py" "$management" 2>&1 | tee "$work/bad-messages"; then
    pass "every malformed or oversized message is refused and the server answers on"
else
    fail "malformed and oversized messages"
fi
check "the server is the same process" kill -0 "$server_process"
check "the agent is still connected" is_connected

# --- the agent's socket ----------------------------------------------------------------------------------------------

ask() { "$python" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1]); s.sendall(eval(sys.argv[2]))
try: s.shutdown(socket.SHUT_WR)
except OSError: pass
answer = b""
try:
    while (part := s.recv(65536)): answer += part
except ConnectionResetError: pass
print(answer[:60])' "$work/a/agent.sock" "$1"; }
for request in 'b"nonsense\n"' 'b"x" * 100000' 'b"\xff\x00\n"' 'b""'; do
    check "the status socket takes $request" ask "$request"
done
check "the agent still answers" is_connected

# --- a kernel without WireGuard --------------------------------------------------------------------------------------

stop a || true # judged elsewhere
for host in a b; do ip -n "$host" link delete wgm0 2>/dev/null || true; done # may be absent
if [ "${WGMESH_GUEST_KIND:-}" = vm ]; then
    mkdir -p /etc/modprobe.d
    echo 'install wireguard /bin/false' >/etc/modprobe.d/no-wireguard.conf
    check "the wireguard module is unloaded" rmmod wireguard
    agent b no-wireguard --setup-key-file "$work/key"
    refuses 11 'wireguard' "a kernel without WireGuard" "${command[@]}"
    rm /etc/modprobe.d/no-wireguard.conf
else
    echo "not run: a kernel without WireGuard (this machine keeps its module; the VM shows it)"
fi
finish
