#!/bin/bash
# An exit node with our own server: what goes through it, what must not go around it, what keeps its own way, what the
# gateway refuses; other programs break rules, table and settings; and `wgctl down` leaves host and gateway as they were.
# The world behind the gateway counts what reaches it, and from whom.
. "$(dirname "$0")/lib.sh"

world=203.0.113.1 world6=2001:db8:113::1 private=172.16.5.1

# Everything that the agent may change beside its link, without what it may not.
host_state() {
    ip -n "$1" rule show
    ip -n "$1" -6 rule show
    ip -n "$1" route show table all | sort
    ip -n "$1" -6 route show table all | sort
    in_host "$1" nft -s list ruleset
    in_host "$1" sysctl -a 2>/dev/null | grep -E 'rp_filter|src_valid_mark|forward|accept_ra ' | grep -v wgm0
}
# counted NAME: packets that the world saw.
counted() { in_host world nft -j list counter inet watch "$1" | jq -er '.nftables[] | select(.counter) | .counter.packets'; }
reset_counters() { in_host world nft reset counters table inet watch >/dev/null; }
pings() { in_host "$1" ping -c 1 -W 2 -q "$2"; }
rules_are_there() { [ "$(ip -n a rule show | grep -c 'proto 77')" = 2 ] && [ "$(ip -n a -6 rule show | grep -c 'proto 77')" = 2 ]; }
table_is_there() { in_host "$1" nft list table inet wgmesh; }
default_is_ours() { ip -n a route show table 7946 | grep -q '^default dev wgm0'; }

lan_up
host_up server 1
host_up a 11
host_up g 12
host_up world 50
ip -n world addr add "$world/32" dev lo
ip -n world addr add "$private/32" dev lo
ip -n world addr add "$world6/128" dev lo
for name in a g; do
    ip -n "$name" route add default via 10.99.0.50
    ip -n "$name" -6 route add default via fd99::50
done
in_host a sysctl -qw net.ipv4.conf.eth0.rp_filter=1
in_host world nft -f - <<'END'
table inet watch {
    counter around {}
    counter around6 {}
    counter through {}
    counter through6 {}
    chain in {
        type filter hook prerouting priority 0;
        ip saddr 10.99.0.11 ip daddr 203.0.113.1 icmp type echo-request counter name around
        ip6 saddr fd99::11 ip6 daddr 2001:db8:113::1 icmpv6 type echo-request counter name around6
        ip saddr 10.99.0.12 ip daddr 203.0.113.1 icmp type echo-request counter name through
        ip6 saddr fd99::12 ip6 daddr 2001:db8:113::1 icmpv6 type echo-request counter name through6
    }
}
END
check "the world is reached without us" eventually 20 pings a "$world"
check "by IPv6 too" eventually 20 pings a "$world6"
host_state a >"$work/a.before"
host_state g >"$work/g.before"

server_start
check "the server takes connections" server_ready
new_key mesh >"$work/key"
for name in a g; do agent_start "$name"; done
for name in a g; do check "$name has its handshake" eventually 120 has_handshakes "$name" 1; done
check "without routes there is no rule of ours" eval '! ip -n a rule show | grep "proto 77"'
check "and no table" eval '! in_host a nft list ruleset | grep .'

echo "--- an exit node"
check "the exit node is made" server_do route create --network-id exit --prefix 0.0.0.0/0 --peer g --group All \
    --auto-apply on --masquerade on
check "a has its default route" eventually 20 default_is_ours
check "the rules, both families" eventually 20 rules_are_there
check "the gateway forwards" eventually 20 eval '[ "$(in_host g sysctl -n net.ipv4.ip_forward)" = 1 ]'
check "strict filters are loose" eventually 20 eval '[ "$(in_host a sysctl -n net.ipv4.conf.eth0.rp_filter)" = 2 ]'
check "the gateway says that it serves" eventually 20 eval 'wgctl g status | grep -q "^Serving: 2 networks, ok"'
check "the world answers through it" eventually 30 pings a "$world"
check "by IPv6 too" eventually 30 pings a "$world6"
reset_counters
check "ten pings" in_host a ping -c 10 -i 0.2 -W 3 -q "$world"
check "ten pings by IPv6" in_host a ping -c 10 -i 0.2 -W 3 -q "$world6"
check_equal "all went through the gateway" "$(counted through) $(counted through6)" "10 10"
check_equal "none went around it" "$(counted around) $(counted around6)" "0 0"
check "the control plane is still reached by the uplink" wgctl a status
check "a connection from outside is answered by the link it came in by" \
    in_host world ping -I "$world" -c 3 -i 0.3 -W 3 -q 10.99.0.11
check "why tells the way" eval "wgctl a why $world | grep -q 'goes through the tunnel'"
check "nothing is left to plan" eventually 10 eval '[ "$(wgctl a plan)" = "the kernel holds what it should" ]'

echo "--- what the gateway refuses"
check "a private network behind it" eval "! pings a $private"
check "unless a route leads there" server_do route create --network-id office --prefix 172.16.5.0/24 --peer g --group All
check "then it is reached" eventually 30 pings a "$private"

check "a gateway without a way to a network says so" server_do route create --network-id lost \
    --prefix 198.18.7.0/24 --peer g --group All
ip -n g route add unreachable 198.18.7.0/24
check "and which" eventually 40 eval \
    '[ "$(status_field g ".serving.problems[]")" = "198.18.7.0/24: No route to host" ]'
ip -n g route del unreachable 198.18.7.0/24
check "until there is one" eventually 40 eval 'wgctl g status | grep -q "^Serving: 4 networks, ok"'

echo "--- other programs"
# mends HOST WHAT FACT...: eventually the fact is back.
broken() { check "broken: $1" eval "$2"; }
broken "the rules are deleted" 'for p in 7947 7948; do ip -n a rule del pref $p; ip -n a -6 rule del pref $p; done'
check "they are back" eventually 20 rules_are_there
broken "our table is flushed" 'ip -n a route flush table 7946; ip -n a -6 route flush table 7946'
check "it is back" eventually 20 default_is_ours
broken "nft flush ruleset" 'in_host a nft flush ruleset; in_host g nft flush ruleset'
check "the host's table is back" eventually 20 table_is_there a
check "the gateway's table is back" eventually 20 table_is_there g
broken "forwarding is switched off" 'in_host g sysctl -qw net.ipv4.ip_forward=0'
check "it is on again" eventually 40 eval '[ "$(in_host g sysctl -n net.ipv4.ip_forward)" = 1 ]'
check "the world answers" eventually 30 pings a "$world"
check "the repairs were counted" eval '[ "$(status_field a .repairs.total)" -ge 3 ]'

echo "--- nothing leaks"
reset_counters
in_host a ping -i 0.05 -c 200 -q "$world" >"$work/ping" 2>&1 &
pinging=$!
in_host a ping -i 0.05 -c 200 -q "$world6" >"$work/ping6" 2>&1 &
pinging6=$!
ip -n a link del wgm0
check "the link is deleted, and back" eventually 30 default_is_ours
stop g KILL || true # that is its status
check "the gateway's link goes down" ip -n g link set wgm0 down
wait "$pinging" "$pinging6" || true # most are lost: that is the point
check_equal "not one packet went around the exit node" "$(counted around) $(counted around6)" "0 0"

echo "--- down"
check "wgctl down on a" wgctl a down
check "a is as it was" eval "diff $work/a.before <(host_state a)"
check "the world is reached by the uplink again" eventually 10 pings a "$world"
check "wgctl down on g, whose agent was killed" wgctl g down --state-dir "$work/g/state"
check "g is as it was" eval "diff $work/g.before <(host_state g)"
check_stop a
finish
