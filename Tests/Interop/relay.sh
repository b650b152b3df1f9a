#!/bin/bash
# Our relay and STUN server with the Python second implementation (WGMESH_PEERS, default ../shared/peers), which shares no
# code with us: two of its agents reach each other through our relay alone; its WebSocket library sees presence, refusals,
# replacement and health checks as the protocol has them; its sockets get STUN answers from the address they asked.
# Status 77: it is not there.
. "$(dirname "$0")/lib.sh"

export WGMESH_PEERS=${WGMESH_PEERS:-$PWD/../shared/peers}
environment=${WGMESH_CACHE:?is set by scripts/vm}/python-peers
if [ ! -e "$WGMESH_PEERS/agent.py" ] || [ ! -e "$environment/complete" ]; then
    echo "not run: no second implementation at $WGMESH_PEERS, or scripts/python-environment has not made its environment"
    exit 77
fi

lan_up
host_up server 1
host_up a 11
server_start
check "the server takes connections" server_ready
new_key mesh >"$work/key"
check "the relay's secret is for its owner only" test "$(stat -c %a "$server_data/relay.secret")" = 600
start relay-peers a env PYTHONDONTWRITEBYTECODE=1 "WGMESH_PEERS=$WGMESH_PEERS" "PEERS_GEN=$environment/gen" \
    "MGMT=$management" "SETUP_KEY=$(cat "$work/key")" "RELAY_SECRET=$(cat "$server_data/relay.secret")" \
    "$environment/venv/bin/python" "$PWD/Tests/Interop/relay_peers.py"
while IFS= read -r line; do
    case $line in
        "ok: "*) pass "${line#ok: }" ;;
        "FAILED: "*) fail "${line#FAILED: }" ;;
    esac
done < <(tail -n +1 -s 0.2 --pid="${process[relay-peers]}" -f "$work/relay-peers/log")
status=0
wait "${process[relay-peers]}" || status=$?
unset "process[relay-peers]"
check_equal "every check of the Python peers was made" "$status" 0
check_stop server
check "neither the secret nor a token is in the log" eval \
    "! grep -qF '$(cat "$server_data/relay.secret")' '$work/server/log'"
finish
