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
default_is_ours() { ip -n a route show table 7946 | has '^default dev wgm0'; }

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
for host in a g; do check "duplicate address detection ends on $host" eventually 20 addresses_settled "$host"; done
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
check "the gateway says that it serves" eventually 20 eval 'wgctl g status | has "^Serving: 2 networks, ok"'
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
check "why tells the way" eval "wgctl a why $world | has 'goes through the tunnel'"
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
check "until there is one" eventually 40 eval 'wgctl g status | has "^Serving: 4 networks, ok"'

echo "--- other programs"
# mended HOST WHAT COMMAND: HOST holds what it held within a second by the kernel's own time stamps, beyond which an emulated
# guest on a busy machine gets the time of one question to the agent.
mended() {
    local host=$1 what=$2 before line begun bound took
    before=$(held "$host")
    begun=$(milliseconds)
    wgctl "$host" plan >/dev/null
    bound=$((1000 + $(milliseconds) - begun))
    line=$(wc -l <"$work/events.$host")
    check "broken: $what" eval "$3"
    check "mended: $what" eventually 40 eval '[ "$(held "$host")" = "$before" ]'
    took=$(spread "$work/events.$host" "$line")
    check "in time: $what ($took ms, at most $bound)" test "$took" -le "$bound"
}
held() {
    ip -n "$1" rule show
    ip -n "$1" -6 rule show
    ip -n "$1" route show table 7946
    ip -n "$1" -6 route show table 7946
    in_host "$1" nft -s list ruleset
    in_host "$1" sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.eth0.rp_filter
}
for name in a g; do
    in_host "$name" ip -ts monitor route rule netconf >"$work/events.$name" &
    process[monitor-$name]=$!
done
mended a "our rules are deleted" 'for p in 7947 7948; do ip -n a rule del pref $p; ip -n a -6 rule del pref $p; done'
# What systemd-networkd does when it restarts: every rule that the kernel did not make.
printf '%s\n' 'rule flush' 'rule add pref 32766 lookup main' 'rule add pref 32767 lookup default' >"$work/flush"
mended a "ip rule flush" 'ip -n a -batch "$work/flush"'
printf '%s\n' 'rule flush' 'rule add pref 32766 lookup main' >"$work/flush"
mended a "ip -6 rule flush" 'ip -n a -6 -batch "$work/flush"'
mended a "our table is flushed" 'ip -n a route flush table 7946; ip -n a -6 route flush table 7946'
mended a "the strict filter is back" 'in_host a sysctl -qw net.ipv4.conf.eth0.rp_filter=1'
mended g "forwarding is switched off" 'in_host g sysctl -qw net.ipv4.ip_forward=0'
mended g "IPv6 forwarding is switched off" 'in_host g sysctl -qw net.ipv6.conf.all.forwarding=0'
# Of these the kernel tells only nf_tables' own listeners; what the ones above take is what these take.
for host in a g; do
    before=$(held "$host")
    check "broken on $host: nft flush ruleset" in_host "$host" nft flush ruleset
    check "mended" eventually 20 eval '[ "$(held "$host")" = "$before" ]'
    check "broken on $host: nft delete table" in_host "$host" nft delete table inet wgmesh
    check "mended" eventually 20 eval '[ "$(held "$host")" = "$before" ]'
    check "broken on $host: a chain is emptied" in_host "$host" nft flush chain inet wgmesh clamp
    check "mended" eventually 20 eval '[ "$(held "$host")" = "$before" ]'
done
for name in a g; do stop "monitor-$name" || true; done # that is its status
check "the world answers" eventually 30 pings a "$world"

echo "--- what the owner of the gateway says"
ip netns add inner
ip -n inner link add eth0 type veth peer name lan1 netns g
ip -n g addr add 192.168.77.1/24 dev lan1
ip -n g link set lan1 up
ip -n inner addr add 192.168.77.2/24 dev eth0
ip -n inner link set eth0 up
ip -n world addr add 172.16.6.1/32 dev lo
inner() { pings a 192.168.77.2; }
check "a route to a network of the gateway's own links" server_do route create --network-id inner \
    --prefix 192.168.77.0/24 --peer g --group All
check "leads there" eventually 30 inner
check_stop g
agent_start g --local-networks closed
refuses_inner() { in_host g nft list table inet wgmesh | has 'ip daddr 192.168.77.0/24 drop'; }
check "--local-networks closed: the gateway refuses" eventually 60 refuses_inner
check "it is not reached any more" eval '! inner'
check "but to the world" eventually 30 pings a "$world"
check "a private network that no route leads to" eval "! pings a 172.16.6.1"
check_stop g
agent_start g --exit-scope all
check "--exit-scope all: is reached" eventually 40 pings a 172.16.6.1
check "and the gateway's own networks again" eventually 10 inner
check_stop g
agent_start g
check "without it, not" eventually 30 eval '! pings a 172.16.6.1 && pings a "$world"'

echo "--- a second agent on one host, in another mesh"
mkdir "$work/second"
second=10.99.0.1:8444
start server2 server "$programs/wgmesh-server" serve --data-dir "$work/second/data" --listen "$second" --public-address "$second" \
    --no-stun # UDP 3478 is the first one's
check "the second server takes connections" eventually 60 in_host server bash -c "exec 3<>/dev/tcp/${second/://}"
in_host server "${clean[@]}" "$programs/wgmesh-server" setup-key create --name second --type reusable \
    --data-dir "$work/second/data" >"$work/second/key"
for host in a g; do
    start "$host-two" "$host" "$programs/wgmesh-agent" run --management-url "http://$second" --hostname "$host-two" \
        --setup-key-file "$work/second/key" --instance two --interface wgm1 --listen-port 51830 \
        --state-dir "$work/$host-two/state" --socket "$work/$host-two/agent.sock"
done
two() { in_host "$1" "${clean[@]}" "WGMESH_SOCKET=$work/$1-two/agent.sock" "$programs/wgctl" "${@:2}"; }
has_second() { [ "$(in_host a wg show wgm1 latest-handshakes | awk '$2 > 0' | wc -l)" -ge 1 ]; }
check "it has a handshake of its own, while the first uses an exit node" eventually 120 has_second
check_equal "a link of its own" "$(ip -n a -j link show wgm1 | jq -r '.[0].ifalias')" wgmesh:two
check "a network behind its peer" in_host server "${clean[@]}" "$programs/wgmesh-server" route create \
    --network-id inner2 --prefix 192.168.77.2/32 --peer g-two --group All --data-dir "$work/second/data"
check "has its route in a table of its own" eventually 30 eval \
    'ip -n a route show table all | grep "^192.168.77.2 dev wgm1 table" | grep -v "table 7946"'
check "the other side has an nftables table of its own" eventually 20 in_host g nft list table inet wgmesh_two
check "both have all they want" eventually 20 eval 'two a plan | has -x "the kernel holds what it should" &&
    wgctl a plan | has -x "the kernel holds what it should"'
of_first() { ip -n "$1" rule show | grep -E '^794[6-8]:'; in_host "$1" nft -s list table inet wgmesh; }
before=$(of_first a)
for host in a g; do
    check "down of the second on $host" two "$host" down
    check "takes all of it" eval "! ip -n $host link show wgm1 && ! in_host $host nft list table inet wgmesh_two"
    check_stop "$host-two"
done
check_stop server2
check_equal "and nothing of the first" "$(of_first a)" "$before"
check "the world answers the first" eventually 20 pings a "$world"

echo "--- a host with a VRF"
# As Documentation/networking/vrf.rst has it: the rule for the local table goes behind those of the VRFs.
ip -n a link add blue type vrf table 10
ip -n a link set blue up
ip netns add tenant
ip -n tenant link add eth0 type veth peer name eth1 netns a
ip -n a link set eth1 master blue up
ip -n a addr add 192.168.88.1/24 dev eth1
ip -n tenant addr add 192.168.88.2/24 dev eth0
ip -n tenant link set eth0 up
for f in -4 -6; do
    ip -n a $f rule add pref 32765 lookup local
    ip -n a $f rule del pref 0
done
local_first() { ip -n a rule show | has '^7946:.*lookup local proto 77'; }
check "the local table is asked before ours" eventually 20 local_first
check "the host answers on its own address" in_host world ping -c 2 -W 2 -q 10.99.0.11
check "the VRF's neighbours are reached in the VRF" in_host a ping -I blue -c 2 -W 2 -q 192.168.88.2
check "they reach the host" in_host tenant ping -c 2 -W 2 -q 192.168.88.1
check "the world is reached through the tunnel" eventually 20 pings a "$world"
check "the mesh too" eventually 20 reaches a g
for f in -4 -6; do
    ip -n a $f rule add pref 0 lookup local
    ip -n a $f rule del pref 32765
done
ip -n a link del eth1
ip -n a link del blue
# The kernel's own rules for VRFs stay until somebody deletes them.
ip -n a rule del pref 1000 2>/dev/null || true
ip -n a -6 rule del pref 1000 2>/dev/null || true
check "without VRFs our rule for the local table goes" eventually 20 rules_are_there
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
ip -n g link del lan1
check "wgctl down on g, whose agent was killed" wgctl g down --state-dir "$work/g/state"
check "g is as it was" eval "diff $work/g.before <(host_state g)"
check_stop a
finish
