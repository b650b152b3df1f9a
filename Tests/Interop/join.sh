#!/bin/bash
# Peers join, leave and restart; wg, ip and pyroute2 agree with wgctl; nobody starts a process; `wgctl down` takes away
# exactly what is ours.
. "$(dirname "$0")/lib.sh"

python=${WGMESH_CACHE:?is set by scripts/vm}/python-witness/bin/python

# --- facts -----------------------------------------------------------------------------------------------------------

# network_of NAME: everything of a host that is not WireGuard's: links, addresses, routes of all tables, rules.
network_of() {
    ip -n "$1" -o link show
    ip -n "$1" -o addr show
    ip -n "$1" -4 route show table all
    ip -n "$1" -6 route show table all
    ip -n "$1" -4 rule show
    ip -n "$1" -6 rule show
    in_host "$1" wg show foreignwg dump
}

knows_peers() { status_field "$1" ".peers.total == $2"; }
map_serial() { status_field "$1" .mapSerial; }
link_index() { ip -n "$1" -j link show wgm0 | jq -er '.[0].ifindex'; }
kernel_peers() { in_host "$1" wg show wgm0 peers | sort; }
kernel_has_peers() { [ "$(kernel_peers "$1" | wc -l)" = "$2" ]; }

# The columns of `wg show wgm0 dump` that stand still: counters and handshake times do not.
steady_dump() { awk -v OFS='\t' 'NR == 1 { print; next } { print $1, $2, $3, $4, $8 }' | sort; }
dumps_agree() { diff <(in_host "$1" wg show wgm0 dump | steady_dump) <(wgctl "$1" show wgm0 dump | steady_dump); }

status_agrees_with_pyroute() {
    local host=$1 filter
    filter='{publicKey, wireguardPort, interface: "wgm0", addresses: ([.netbirdIp, .netbirdIpv6] | sort),
             peers: [.peers.details[] | {publicKey, kernelEndpoint, allowedIPs: (.allowedIPs | sort)}] | sort_by(.publicKey)}'
    diff <(status_field "$host" "$filter") <(
        in_host "$host" "$python" "$(dirname "$0")/witness.py" wgm0 | jq '{publicKey, wireguardPort: .listenPort,
            interface: "wgm0", addresses,
            peers: [.peers[] | {publicKey, kernelEndpoint: .endpoint, allowedIPs}] | sort_by(.publicKey)}'
    )
}

key_is_once() {
    local found
    found=$(python3 "$(dirname "$0")/keys_in_memory.py" "${process[$1]}" "$work/$1/state/private.key")
    [ "$found" = '{"raw": 1, "text": 0}' ] || { echo "$found"; return 1; }
}

# within MILLISECONDS COMMAND...: like eventually, and prints the time it took; the bound is checked on that.
within() {
    local bound=$1 begun took
    shift
    begun=$(milliseconds)
    eventually $((bound / 1000 + 20)) "$@" || return 1
    took=$(($(milliseconds) - begun))
    echo "took $took ms, at most $bound expected"
    [ "$took" -le "$bound" ]
}

# Within a second, as an agent sees it; asking takes time too, and an emulated guest on a busy machine slows the programs as
# it slows the question. So four questions' time come on top: natively some 0.1 s.
map_change_bound() {
    local begun
    begun=$(milliseconds)
    for _ in 1 2 3 4; do knows_peers "$1" "$2" >/dev/null || true; done # the answer is not asked for
    echo $((1000 + $(milliseconds) - begun))
}

# --- two peers -------------------------------------------------------------------------------------------------------

lan_up
host_up server 1
host_up a 11
host_up b 12
host_up c 13
ip -n a link add foreign0 type dummy
ip -n a link set foreign0 up
ip -n a addr add 192.0.2.1/24 dev foreign0
ip -n a route add 198.51.100.0/24 dev foreign0
ip -n a rule add pref 4242 to 203.0.113.0/24 lookup 4242
ip -n a link add foreignwg type wireguard
check "duplicate address detection ends on a" eventually 20 addresses_settled a
network_of a >"$work/foreign"

server_start
check "the server takes connections" server_ready
check "setup-key create prints one key" eval '[ "$(new_key mesh | tee "$work/key" | wc -l)" = 1 ] && [ -s "$work/key" ]'
agent_start a
agent_start b
for host in a b; do check "$host has a handshake" eventually 120 has_handshakes "$host" 1; done
check "a and b ping each other, IPv4 and IPv6" eval 'eventually 10 reaches a b && reaches a b && reaches b a'
for host in a b; do
    check "$host: wgctl status says all is well" eventually 30 wgctl "$host" status
    check "$host: wgctl show dump equals wg show dump" eventually 10 dumps_agree "$host"
    check "$host: pyroute2 and wgctl status agree" eventually 20 status_agrees_with_pyroute "$host"
    check_equal "$host: addresses in status are the kernel's" \
        "$(status_field "$host" '[.netbirdIp, .netbirdIpv6 | sub("/.*"; "")] | join(" ")')" "$(address "$host" 4) $(address "$host" 6)"
    check_equal "$host: the state directory is for its owner only" \
        "$(find "$work/$host/state" -perm /077 | head -n 1)" ""
    private=$(in_host "$host" wg show wgm0 private-key)
    # While the agent reads the device it holds what it read, so not in every millisecond.
    check "$host: the private key stands in the agent's memory once, and never as text" eventually 10 key_is_once "$host"
    check "$host: the private key is in no log" eval "! grep -qF '$private' '$work'/*/log"
done
check "the setup key is in no log" eval '! grep -qiF "$(cat "$work/key")" "$work"/*/log'

# --- a third comes and goes ------------------------------------------------------------------------------------------

serial_a=$(map_serial a) serial_b=$(map_serial b)
bound=$(map_change_bound a 2)
agent_start c
check "c gets an overlay address" eventually 120 address c 4
check "a knows c within a second" within "$bound" knows_peers a 2
check "b knows c within a second" within "$bound" knows_peers b 2
check "the map's serial grew on a and b" eval "[ \$(map_serial a) -gt $serial_a ] && [ \$(map_serial b) -gt $serial_b ]"
check "c has a handshake with both" eventually 120 has_handshakes c 2
serial_a=$(map_serial a)
bound=$(map_change_bound a 1)
check "server: peer delete c" server_do peer delete c
check "a forgets c within a second" within "$bound" knows_peers a 1
check "b forgets c within a second" within "$bound" knows_peers b 1
check "a's kernel has one peer again" eventually 10 kernel_has_peers a 1
check "the map's serial grew again on a" eval "[ \$(map_serial a) -gt $serial_a ]"
check "c, deleted, lives on" is_running c
stop c || true # its status was judged above

# --- restart without a gap -------------------------------------------------------------------------------------------

index=$(link_index a) peers=$(kernel_peers a) to_a=$(address a 4)
in_host b ping -q -c 200 -i 0.1 -W 3 "$to_a" >"$work/ping" 2>&1 &
pinging=$!
check_stop a
check_equal "the tunnel is still up" "$(link_index a) $(kernel_peers a)" "$index $peers"
check "b reaches a, whose agent is gone" in_host b ping -q -c 3 -i 0.1 -W 3 "$to_a"
agent_start a
check "the restarted agent is well" eventually 120 wgctl a status
wait "$pinging" || true # judged by its numbers
check_equal "the same link and peers after the restart" "$(link_index a) $(kernel_peers a)" "$index $peers"
check "200 pings across the restart, none lost ($(grep transmitted "$work/ping"))" grep -q ' 0% packet loss' "$work/ping"

# --- no process is started -------------------------------------------------------------------------------------------

# -D: the traced program keeps its place as our child.
check_stop server
check_stop b
ip -n b link delete wgm0 # so that b's agent makes everything anew under the tracer
plain=$programs
mkdir "$work/traced"
for program in wgmesh-server wgmesh-agent wgctl; do
    printf '#!/bin/sh\nexec strace -D -f -qq -e trace=execve,execveat -o "%s" "%s" "$@"\n' \
        "$work/$program.execve" "$plain/$program" >"$work/traced/$program"
    chmod +x "$work/traced/$program"
done
programs=$work/traced
server_start
check "the traced server takes connections" server_ready
agent_start b
programs=$plain
check "the traced agent builds the tunnel" eventually 180 has_handshakes b 1
for program in wgmesh-server wgmesh-agent; do
    check_equal "$program starts no program" "$(grep -cE 'execve(at)?\(' "$work/$program.execve")" 1
done
check "b and a ping each other" eval 'eventually 30 reaches a b && reaches b a'

# --- down ------------------------------------------------------------------------------------------------------------

check "wgctl down on a" wgctl a down
check "what is foreign is untouched, what is ours is gone" diff "$work/foreign" <(network_of a)
check "wgctl up on a" wgctl a up
check "a has a handshake again" eventually 120 has_handshakes a 1
check_stop a
check "wgctl down without an agent" wgctl a down
check "what is foreign is untouched, what is ours is gone" diff "$work/foreign" <(network_of a)
finish
