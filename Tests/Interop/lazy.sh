#!/bin/bash
# lazy.sh: two agents that sleep while there is no traffic, without and with a direct path. By hand: it waits for a peer to
# have had none for a minute, twice.
. "$(dirname "$0")/lib.sh"

asleep() { status_field "$1" '.peers.details[0] | .status == "Idle" and .connectionType == "-"'; }
awake() { status_field "$1" ".peers.details[0].connectionType == \"$2\""; }
keepalive_is() { [ "$(in_host "$1" wg show wgm0 persistent-keepalive | cut -f 2)" = "$2" ]; }
trapped() { [[ "$(in_host "$1" wg show wgm0 endpoints | cut -f 2)" == 127.* ]]; }

# wakes FROM TO PATH: one packet wakes both ends and is answered; WireGuard's own repetition would take five seconds.
wakes() {
    check "$1 sleeps" eventually 60 asleep "$1"
    check "$2 sleeps" eventually 60 asleep "$2"
    check "$1 would send to its loopback" eventually 60 trapped "$1"
    check "$1 sends no keepalives" keepalive_is "$1" off
    check "one packet of $1 wakes $2 and is answered within 5 s" in_host "$1" ping -c 1 -W 5 -q "$(address "$2" 4)"
    check "$1 reaches $2 by $3" eventually 30 awake "$1" "$3"
    check "$2 reaches $1 by $3" eventually 30 awake "$2" "$3"
    check "$1 sends keepalives" eventually 10 keepalive_is "$1" '25'
    check "nothing is lost from then on" loses_none "$1" "$2" 4 50
}

lan_up
host_up server 1
host_up a 11
host_up b 12
server_start
check "the server takes connections" server_ready
new_key mesh >"$work/key"
for name in a b; do agent_start "$name" --lazy-connections on --lazy-inactivity 60; done
for name in a b; do check "$name knows the other" eventually 90 status_field "$name" '.peers.total == 1'; done
check "sleeping peers are no fault" eventually 60 wgctl a status
wakes a b P2P
check "a falls asleep again" eventually 200 asleep a
wakes b a P2P
check "b falls asleep again" eventually 200 asleep b
for name in a b; do
    in_host "$name" nft -f - <<<'table inet blocker { chain input { type filter hook input priority -300; iifname "eth0" udp dport 51820 drop; }; }'
done
wakes a b Relayed
finish
