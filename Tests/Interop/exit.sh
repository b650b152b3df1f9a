#!/bin/bash
# Two gateways offer the way to a world behind them; the one in use dies without a word. The server is the second
# implementation of ../shared/peers (WGMESH_PEERS), whose maps carry routes. Status 77: it is not there.
. "$(dirname "$0")/lib.sh"

export WGMESH_PEERS=${WGMESH_PEERS:-$PWD/../shared/peers}
environment=${WGMESH_CACHE:?is set by scripts/vm}/python-peers
if [ ! -e "$WGMESH_PEERS/server.py" ] || [ ! -e "$environment/complete" ]; then
    echo "not run: no second implementation at $WGMESH_PEERS, or scripts/python-environment has not made its environment"
    exit 77
fi
python=$environment/venv/bin/python
management=10.99.0.1:8080
world=203.0.113.1 world6=2001:db8:113::1

# control PYTHON: changes the server's state, and pushes maps.
control() {
    in_host server "$python" - "$management" "$1" <<'END'
import json, sys, urllib.request
body = json.dumps({"py": sys.argv[2]}).encode()
print(urllib.request.urlopen(f"http://{sys.argv[1]}/ctl", body, 10).read().decode())
END
}
public_key() { status_field "$1" .publicKey; }
exit_field() { wgctl a exit list --json | jq -er "$1"; }
exit_is() { [ "$(exit_field .exit.inForce)" = "$1" ] && [ "$(exit_field .exit.carrier)" = "$2.val.selfhosted" ]; }
gateway_is() { exit_field ".gateways[] | select(.name == \"$1.val.selfhosted\") | .state" | has -x "$2"; }
allowed() { in_host a wg show wgm0 allowed-ips | grep "$(public_key "$1")"; }
carries_both() { allowed "$1" | has ' 0\.0\.0\.0/0' && allowed "$1" | has '::/0'; }
carries_none() { ! allowed "$1" | has '/0\b'; }
# nobody_carries: by one look at all peers; between two looks the routes may move from the one to the other.
nobody_carries() {
    local all
    all=$(in_host a wg show wgm0 allowed-ips) && [ -n "$all" ] && ! has '/0\b' <<<"$all"
}

# gateway_up NAME: knows the way to the world; forwarding and masquerade are the agent's.
gateway_up() {
    ip -n "$1" route add "$world/32" via 10.99.0.50
    ip -n "$1" -6 route add "$world6/128" via fd99::50
}
# die NAME, revive NAME: not a packet in or out, and nobody is told.
die() {
    in_host "$1" nft -f - <<'END'
table inet death {
    chain in { type filter hook prerouting priority -500; policy drop; }
    chain out { type filter hook postrouting priority 500; policy drop; }
}
END
}
revive() { in_host "$1" nft delete table inet death; }

# gap FILE: the longest time in milliseconds between two answers of `ping -D`.
gap() {
    sed -nE 's/^\[([0-9.]+)\] [0-9]+ bytes from.*/\1/p' "$1" |
        awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d\n", most * 1000 }'
}

# lost_packets FILE: sent and not answered, by the last line of ping.
lost_packets() { awk '/packets transmitted/ { print $1 - $4 }' "$1"; }

lan_up
host_up server 1
host_up a 11
host_up g1 12
host_up g2 13
host_up world 50
ip -n world addr add "$world/32" dev lo
ip -n world addr add "$world6/128" dev lo
start python-server server env PYTHONDONTWRITEBYTECODE=1 "PEERS_GEN=$environment/gen" "$python" \
    "$WGMESH_PEERS/server.py" --host 10.99.0.1 --port 8080 --state "$work/python-state.json"
check "the Python server takes connections" eventually 60 server_answers
echo A2C8E62B-38F5-4553-B31E-DD66C696CEBB >"$work/key"
for name in a g1 g2; do agent_start "$name"; done
for name in a g1 g2; do check "$name has its handshakes" eventually 120 has_handshakes "$name" 2; done
for name in g1 g2; do gateway_up "$name"; done

routes=''
for name in g1 g2; do
    key=$(public_key "$name")
    for half in "$name 0.0.0.0/0" "$name-v6 ::/0"; do
        # shellcheck disable=SC2086 # two words
        set -- $half
        routes+="ST['routes'].append(dict(id='$1', netid='$1', network='$2', peer='$key', groups=['All'], metric=100));"
    done
done
check "before there are routes, no echo is sent" eval "! exit_field '.gateways[]'"
control "$routes changed()" >/dev/null
# The host's own default route leads nowhere: what arrives at the world went through the tunnel.
ip -n a route add default via 10.99.0.254
ip -n a -6 route add default via fd99::254
check "the first exit node by name carries both families" eventually 30 carries_both g1
check "both gateways are watched and answer" eventually 60 eval 'gateway_is g1 alive && gateway_is g2 alive'
check "the world answers through the tunnel" eventually 20 in_host a ping -c 1 -W 2 -q "$world"
check "in IPv6 too" eventually 20 in_host a ping -6 -c 1 -W 2 -q "$world6"

in_host a ping -D -n -i 0.01 -w 8 "$world" >"$work/ping" 2>&1 &
pinging=$!
in_host a ping -6 -D -n -i 0.02 -w 8 "$world6" >"$work/ping6" 2>&1 &
pinging6=$!
check "pings are answered" eventually 10 test -s "$work/ping"
sleep 3 # some three hundred pings before
die g1
# Nobody looks meanwhile: a look costs the guest more than the failover does.
wait "$pinging" "$pinging6" || true # judged by their output
check "the second carries both families" carries_both g2
check "the first carries none" carries_none g1
check "status says which, and why" eval "exit_is g2 g2 && exit_field .exit.reason | has 'in place of g1'"
lost=$(gap "$work/ping")
printf 'exit-failover-seconds %s\n' "$(awk -v ms="$lost" 'BEGIN { printf "%.2f", ms / 1000 }')"
check "traffic stood still for 1.5 s at most ($lost ms)" test "$lost" -gt 0 -a "$lost" -le 1500
lost6=$(gap "$work/ping6")
check "that of IPv6 too ($lost6 ms)" test "$lost6" -gt 0 -a "$lost6" -le 1500
check_equal "one failover is counted" "$(exit_field .failovers)" 1

revive g1
check "the first comes back on probation" eventually 30 gateway_is g1 recovering
check "and does not take over at once" exit_is g2 g2
check "the user's word counts at once" wgctl a exit use g1
check "... though it is on probation" eventually 5 exit_is g1 g1
check "the user wants none" wgctl a exit off
check "then nobody carries default routes" nobody_carries
check "a name that nobody knows is status 1" eval 'wgctl a exit use nowhere; [ $? = 1 ]'
check "deselect all" wgctl a routes deselect all
stop a || true # judged by join.sh
agent_start a
check "holds over a restart" eventually 60 eval '[ "$(exit_field .exit.wish)" = off ] && nobody_carries'
check "select all brings the first back" wgctl a routes select all
check "... which carries both families" eventually 10 carries_both g1
check "the user gives an order" wgctl a exit use g2,g1
check "... is followed" eventually 10 carries_both g2

echo "--- drain"
check "the user gives another order" wgctl a exit use g1,g2
check "... is followed too" eventually 10 carries_both g1
check "g1 serves" eventually 60 status_field g1 '.serving.networks == 2 and (.serving.draining | not)'
in_host a ping -D -n -i 0.01 -c 800 -W 3 "$world" >"$work/ping" 2>&1 &
pinging=$!
in_host a ping -6 -D -n -i 0.01 -c 800 -W 3 "$world6" >"$work/ping6" 2>&1 &
pinging6=$!
check "pings are answered" eventually 10 test -s "$work/ping" -a -s "$work/ping6"
sleep 3
wgctl g1 drain >"$work/drain" || echo "status $?" >>"$work/drain"
wait "$pinging" "$pinging6" || true # judged by their output
check "drain says that it has only begun" grep -qx 'status 5' "$work/drain"
check "the client has gone to g2" carries_both g2
check "... and says why" eval "exit_is g2 g2 && exit_field .exit.reason | has -x 'in place of g1, which is being drained'"
check "the gateway is shown as draining" gateway_is g1 draining
tail -n 2 "$work/ping" "$work/ping6"
lost=$(lost_packets "$work/ping") lost6=$(lost_packets "$work/ping6")
# A packet whose answer is on its way back from g1 at the moment of the move is refused by WireGuard: its source belongs to g2.
check "at most the packets of one round trip are lost ($lost, $lost6)" test "$lost" -le 2 -a "$lost6" -le 2
echo "drain-lost-packets $lost of v4, $lost6 of v6"
check "traffic goes on: $(gap "$work/ping") ms at most between two answers" test "$(gap "$work/ping")" -le 1500
check "no failover is counted" eval '[ "$(exit_field .failovers)" = 0 ]'
check "then g1 is drained" wgctl g1 drain --wait 60
check "... as JSON too" eval 'wgctl g1 drain --json | jq -e ".drained and .draining and .networks == 2"'
check "... and says who used it last" eval "wgctl g1 drain | has '^  a.val.selfhosted (100.*): last packet '"
stop g1 || true # judged by join.sh
agent_start g1
check "it is still drained after a restart" eventually 60 gateway_is g1 draining
check "status of the gateway says so" eventually 20 status_field g1 '.serving.draining'
check "draining is not serving: the client stays" exit_is g2 g2
in_host g2 "${clean[@]}" "WGMESH_SOCKET=$work/g2/agent.sock" "$programs/wgctl" drain >/dev/null || true # 5: has begun
check "where all are drained, somebody carries on" eval 'in_host a ping -c 20 -i 0.1 -W 2 -q "$world" | grep " 20 received"'
check "undrain" wgctl g1 undrain
check "undrain the other" wgctl g2 undrain
check "who comes back is on probation" eventually 20 gateway_is g1 recovering
check "a drain that is unknown to the agent is a usage error" eval 'wgctl g1 drain --wait 0; [ $? = 2 ]'

die g1
die g2
check "when all are dead, nobody carries" eventually 60 nobody_carries
holds_back() {
    local status=0
    wgctl a status >"$work/status" || status=$?
    [ "$status" = 5 ] && grep -q 'traffic is held back' "$work/status" && return
    cat "$work/status"
    return 1
}
check "and status is degraded and says that traffic is held back" holds_back
revive g2
check "the first that answers carries again" eventually 30 carries_both g2
finish
