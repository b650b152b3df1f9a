#!/bin/bash
# Two agents that cannot reach each other directly: the relay carries WireGuard, a direct path takes over when there is
# one, and the relay takes it back, all without a packet of user space on the direct path.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/python-server.sh"

# direct a|b open|closed: UDP between the two hosts, by a table of the host's own.
direct() {
    if [ "$2" = open ]; then
        ip netns exec "$1" nft delete table inet blocker
    else
        ip netns exec "$1" nft -f - <<'END'
table inet blocker {
    chain input {
        type filter hook input priority -300;
        iifname "eth0" udp dport 51820 drop
    }
}
END
    fi
}
path_is() { status_field "$1" ".peers.details[0].connectionType == \"$2\""; }
kernel_endpoint() { in_host "$1" wg show wgm0 endpoints | cut -f 2; }
endpoint_is_loopback() { [[ "$(kernel_endpoint "$1")" == 127.* ]]; }
endpoint_is_direct() {
    local endpoint
    endpoint=$(kernel_endpoint "$1")
    [[ "$endpoint" == 10.99.0.* || "$endpoint" == \[fd99:* ]] || { echo "$1 sends to $endpoint"; return 1; }
}
# lost_over SECONDS COMMAND...: sets `lost`: pings from a to b, one every 20 ms for so long, without an answer, while
# COMMAND ran at second 1.
lost_over() {
    local count=$(($1 * 50))
    shift
    in_host a ping -q -c "$count" -i 0.02 -W 3 "$(address b 4)" >"$work/ping" &
    local pinging=$!
    sleep 1
    "$@"
    wait "$pinging" || true # counted below
    lost=$(awk '/packets transmitted/ { print $1 - $4 }' "$work/ping")
}
# A new address of the host is what makes an agent look for direct paths again at once.
open_direct() {
    direct a open
    direct b open
    ip -n a addr add 10.99.0.111/24 dev eth0
}
close_direct() {
    direct a closed
    direct b closed
}

lan_up
host_up server 1
host_up a 11
host_up b 12
close_direct
server_start
check "the server takes connections" server_ready
new_key mesh >"$work/key"
agent_start a
agent_start b
check "a has a relay" eventually 60 status_field a '.relays.available == 1'
check "a is relayed to b" eventually 60 path_is a Relayed
check "b is relayed to a" eventually 60 path_is b Relayed
check "a and b have a WireGuard handshake" eventually 20 has_handshakes a 1
check "a reaches b over the relay" eventually 20 reaches a b
check "a's kernel sends to the loopback" endpoint_is_loopback a
check "200 packets over the relay, none lost" loses_none a b 4 200
check "200 packets over the relay in IPv6, none lost" loses_none b a 6 200

lost_over 20 open_direct
check "a and b find a direct path" eventually 60 eval 'path_is a P2P && path_is b P2P'
check "a's kernel sends there" eventually 10 endpoint_is_direct a
check "b's kernel sends there" eventually 10 endpoint_is_direct b
check_equal "packets lost on the way from the relay to the direct path" "$lost" 0
sleep 3
check "neither goes back to the relay" eval 'endpoint_is_direct a && endpoint_is_direct b'

# An agent that is gone takes nobody's path with it: the kernels go on, and what b sees of a is not taken for dead though
# the relay stands by.
gone_for_15_seconds() {
    stop a KILL || true
    sleep 15 # that long on purpose: ICE gives up after six
    agent_start a
}
lost_over 30 gone_for_15_seconds
check_equal "packets lost while a's agent was dead for 15 s" "$lost" 0
check "b's kernel sends there still" endpoint_is_direct b
check "a and b are direct again" eventually 60 eval 'path_is a P2P && path_is b P2P'

lost_over 20 close_direct
check "a is relayed to b again" eventually 30 path_is a Relayed
check "b is relayed to a again" eventually 30 path_is b Relayed
echo "packets lost when the direct path died: $lost of 1000, 20 ms each"
check "the relay takes over within 8 s" test "$lost" -lt 400

stop server KILL || true # the relay dies with it
check "a says that its relay is gone" eventually 30 status_field a '.relays.available == 0'
server_start
check "a is relayed to b once the server is back" eventually 60 path_is a Relayed
check "a reaches b again" eventually 60 reaches a b
finish
