#!/bin/bash
# Other programs break what is ours, in every way that the kernel tells of: each time it is back within a second, counted
# and told. Nothing is written while nothing changes. kill -9 and a restart cost nothing. (A fight between two programs
# is too slow in an emulated guest to be one; RepairGuardTests has it.)
. "$(dirname "$0")/lib.sh"

# What an agent must keep: the link by index, addresses, routes, rules, the device's peers, our nftables table.
picture() {
    ip -n "$1" -o link show dev wgm0 | sed 's/^[0-9]*: //'
    ip -n "$1" -o addr show dev wgm0 | awk '{ print $3, $4 }' | sort
    ip -n "$1" route show table all dev wgm0 | sort
    ip -n "$1" -6 route show table all dev wgm0 proto 77 | sort
    ip -n "$1" rule show
    ip -n "$1" -6 rule show
    in_host "$1" wg show wgm0 allowed-ips | sort
    in_host "$1" nft -s list ruleset
}
is_whole() { [ "$(picture "$1")" = "$whole" ]; }
repairs() { status_field "$1" .repairs.total; }

# repaired WHAT COMMAND...: COMMAND breaks host a; all is back within a second by the kernel's own notifications, and it
# was counted. An emulated guest on a busy machine slows the agent as it slows us: one question's time comes on top.
repaired() {
    local what=$1 before line begun bound took
    shift
    before=$(repairs a)
    begun=$(milliseconds)
    wgctl a plan >/dev/null
    bound=$((1000 + $(milliseconds) - begun))
    line=$(wc -l <"$work/events")
    check "broken: $what" "$@"
    check "repaired: $what" eventually 30 is_whole a
    took=$(spread "$work/events" "$line")
    echo "took $took ms, at most $bound expected"
    check "in time: $what" test "$took" -le "$bound"
    check "counted: $what" eventually 20 eval "[ \$(repairs a) -gt $before ]"
}

mesh_up a b
check "a is whole" eventually 60 wgctl a status
whole=$(picture a)

in_host a ip -ts monitor link address route rule >"$work/events" &
events=$!
echo "--- breaking it, one thing at a time"
repaired "an address is deleted" ip -n a addr del "$(status_field a .netbirdIp)" dev wgm0
repaired "all addresses are flushed" ip -n a addr flush dev wgm0 scope global
repaired "the overlay's route is deleted" ip -n a route del "$(ip -n a -j route show dev wgm0 | jq -r '.[0].dst')" dev wgm0
repaired "all routes through the link are flushed" eval 'ip -n a route flush dev wgm0; ip -n a -6 route flush dev wgm0'
repaired "the link is switched off" ip -n a link set wgm0 down
repaired "the MTU is changed" ip -n a link set wgm0 mtu 1400
repaired "the alias is changed" ip -n a link set wgm0 alias uplink
repaired "the alias and the MTU are changed" ip -n a link set wgm0 alias other mtu 1300
index=$(ip -n a -j link show wgm0 | jq '.[0].ifindex')
repaired "the link is deleted" ip -n a link del wgm0
check "the new link carries traffic" eventually 20 reaches a b
check "history tells of it" eval 'wgctl a history | has "repair: kernel: link changed"'
check "status tells of it" eval 'wgctl a status | has "^Repairs: [0-9]*, last"'
check "there is nothing left to plan" eval '[ "$(wgctl a plan)" = "the kernel holds what it should" ]'
check "as JSON too" eval 'wgctl a plan --json | jq -e ".changes == []"'

echo "--- what the kernel tells nobody: found within 30 seconds"
key=$(in_host a wg show wgm0 peers)
in_host a wg genkey >"$work/other-key"
# What the device holds, but for endpoints, which roam.
device() { in_host a wg showconf wgm0 | grep -v '^Endpoint' | sort; }
device >"$work/device"
for damage in "peer $key remove" "peer $key allowed-ips 192.0.2.1/32" "fwmark 1" "private-key $work/other-key"; do
    # shellcheck disable=SC2086 # words
    check "broken: wg set ${damage%% *}" in_host a wg set wgm0 $damage
    check "repaired" eventually 45 eval 'is_whole a && diff "$work/device" <(device)'
done
check "and traffic flows" eventually 30 reaches a b

echo "--- nothing to do, nothing done"
changes() { wgctl a history --json | jq '[.history[].changeCount] | add // 0'; }
before=$(changes)
in_host a ip monitor route link address rule >"$work/monitor" &
monitor=$!
sleep 8
kill "$monitor" "$events"
check_equal "no change in eight quiet seconds" "$(changes)" "$before"
check "the kernel saw none either" test ! -s "$work/monitor"

echo "--- kill -9 and a restart"
index=$(ip -n a -j link show wgm0 | jq '.[0].ifindex')
in_host b ping -q -c 1000 -i 0.01 -W 3 "$(address a 4)" >"$work/ping" &
pinging=$!
sleep 2
stop a KILL || true # that is its status
agent_start a
wait "$pinging" || true # judged by what it printed
grep 'packets transmitted' "$work/ping"
check "1,000 pings across kill -9 and a restart, none lost" grep -q ' 1000 received' "$work/ping"
check_equal "the link is the same" "$(ip -n a -j link show wgm0 | jq '.[0].ifindex')" "$index"
check "the new process is well" eventually 60 wgctl a status
check "it changed no link, address, route or rule" eval '! wgctl a history | grep -E "  (ip|nft|sysctl) "'
check_stop a
finish
