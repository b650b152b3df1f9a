#!/bin/bash
# The Python second implementation (WGMESH_PEERS, default ../shared/peers), which shares no code with us: its agent joins
# our server and meets our agent; our agent joins its server and meets its agent. Address, offers, ICE, WireGuard
# handshake and ping each time. Status 77: it is not there.
. "$(dirname "$0")/lib.sh"

export WGMESH_PEERS=${WGMESH_PEERS:-$PWD/../shared/peers}
environment=${WGMESH_CACHE:?is set by scripts/vm}/python-peers
if [ ! -e "$WGMESH_PEERS/agent.py" ] || [ ! -e "$environment/complete" ]; then
    echo "not run: no second implementation at $WGMESH_PEERS, or scripts/python-environment has not made its environment"
    exit 77
fi
python=$environment/venv/bin/python
# The setup key of its server is fixed; source: its README.md.
their_key=A2C8E62B-38F5-4553-B31E-DD66C696CEBB

# python_agent NAME HOST IP controls|follows OURS: joins at $management with the key in $work/key.
python_agent() {
    start "$1" "$2" env "PYTHONDONTWRITEBYTECODE=1" "WGMESH_PEERS=$WGMESH_PEERS" "PEERS_GEN=$environment/gen" \
        "MGMT=$management" "SETUP_KEY=$(cat "$work/key")" \
        "$python" "$PWD/Tests/Interop/python_agent.py" "$1" "$3" 51820 "$4" "$(public_key "$5")"
}
public_key() { in_host "$1" wg show wgm0 public-key; }
python_address() { sed -nE 's/^ *[0-9.]+ registered ([0-9.]+) .*/\1/p' "$work/$1/log"; }
log_says() { grep -qE "$2" "$work/$1/log"; }

# meets OURS THEIRS HOST IP controls|follows: our agent and a new Python agent on HOST find each other and carry traffic.
meets() {
    local ours=$1 theirs=$2
    check "$ours gets an overlay address" eventually 90 address "$ours" 4
    python_agent "$theirs" "$3" "$4" "$5" "$ours"
    check "$theirs is registered" eventually 90 log_says "$theirs" 'registered [0-9.]+'
    check "$theirs gets our offer or answer" eventually 90 log_says "$theirs" 'rx (OFFER|ANSWER)'
    check "$theirs gets our candidate" eventually 90 log_says "$theirs" 'rx CANDIDATE'
    check "$theirs and $ours agree on a pair" eventually 90 log_says "$theirs" 'NOMINATED by remote|SELECTED'
    check "$ours has a WireGuard handshake with $theirs" eventually 90 has_handshakes "$ours" 1
    check "$ours pings $theirs" eventually 20 in_host "$ours" ping -c 1 -W 2 -q "$(python_address "$theirs")"
    check "$ours pings $theirs 20 times, none lost" eval \
        "in_host $ours ping -q -c 20 -i 0.2 -W 5 $(python_address "$theirs") | grep ' 0% packet loss'"
    check "every STUN message of ours carries a good fingerprint and integrity" eval \
        "! grep -E 'STUN (req|resp)' '$work/$theirs/log' | grep -E '(MI|FP) (False|None)'"
    stop "$theirs" || true # its own business
    check "$ours forgets $theirs, which logged out" eventually 30 status_field "$ours" '.peers.total == 0'
}

lan_up
host_up server 1
host_up a 11
host_up p 21
echo "--- the Python agent joins our server"
server_start
check "our server takes connections" server_ready
new_key mesh >"$work/key"
agent_start a
meets a python-1 p 10.99.0.21 controls
meets a python-2 p 10.99.0.21 follows
stop a || true # judged by join.sh
stop server || true

echo "--- our agent joins the Python server"
host_up b 12
host_up q 22
management=10.99.0.1:8080
start python-server server env PYTHONDONTWRITEBYTECODE=1 "PEERS_GEN=$environment/gen" "$python" \
    "$WGMESH_PEERS/server.py" --host 10.99.0.1 --port 8080 --state "$work/python-state.json"
check "the Python server takes connections" eventually 60 server_answers
echo "$their_key" >"$work/key"
agent_start b
meets b python-3 q 10.99.0.22 controls
meets b python-4 q 10.99.0.22 follows
finish
