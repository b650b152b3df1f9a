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

# python_agent NAME HOST IP MANAGEMENT KEY
python_agent() {
    start "$1" "$2" env "PYTHONDONTWRITEBYTECODE=1" "WGMESH_PEERS=$WGMESH_PEERS" "PEERS_GEN=$environment/gen" \
        "MGMT=$4" "SETUP_KEY=$5" "$python" "$PWD/Tests/Interop/python_agent.py" "$1" "$3" 51820
}
python_address() { sed -nE 's/^ *[0-9.]+ registered ([0-9.]+) .*/\1/p' "$work/$1/log"; }
log_says() { grep -qE "$2" "$work/$1/log"; }

# meets OURS THEIRS: our agent and a Python agent find each other and carry traffic.
meets() {
    local ours=$1 theirs=$2
    check "$theirs is registered" eventually 90 log_says "$theirs" 'registered [0-9.]+'
    check "$ours gets an overlay address" eventually 90 address "$ours" 4
    check "$theirs gets our offer or answer" eventually 90 log_says "$theirs" 'rx (OFFER|ANSWER)'
    check "$theirs gets our candidate" eventually 90 log_says "$theirs" 'rx CANDIDATE'
    check "$theirs and $ours agree on a pair" eventually 90 log_says "$theirs" 'NOMINATED by remote|SELECTED'
    check "$ours has a WireGuard handshake with $theirs" eventually 90 has_handshakes "$ours" 1
    check "$ours pings $theirs" eventually 20 in_host "$ours" ping -c 1 -W 2 -q "$(python_address "$theirs")"
    check "$ours pings $theirs 20 times, none lost" eval \
        "in_host $ours ping -q -c 20 -i 0.2 -W 5 $(python_address "$theirs") | grep ' 0% packet loss'"
    check "every STUN message of ours carries a good fingerprint and integrity" eval \
        "! grep -E 'STUN (req|resp)' '$work/$theirs/log' | grep -E '(MI|FP) (False|None)'"
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
python_agent python-1 p 10.99.0.21 "$management" "$(cat "$work/key")"
meets a python-1
stop python-1 || true # its own business
check "our agent forgets the Python agent, which logged out" eventually 30 status_field a '.peers.total == 0'
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
python_agent python-2 q 10.99.0.22 "$management" "$their_key"
meets b python-2
finish
