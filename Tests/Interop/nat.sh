#!/bin/bash
# nat.sh [CELL...]: two agents behind address translators of every kind, with real nftables NAT; a CELL is KIND-KIND.
# Expected is what theory allows (RFC 4787, RFC 5128): a direct path unless both translators make it impossible, and then
# the relay. Every cell prints the seconds to the first packet and to the path that stays.
#
# Kinds: open (no translator), cone (mapping and filtering by nothing), address (filtering by address), port (by address
# and port), symmetric (another port for every destination), blocked (no UDP); by name only, mapped (1:1, and the agent is told so
# by --external-ip-map). Two STUN servers, so that agents can tell them apart; `wgctl status PEER --why` has to.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/python-server.sh"

kinds=(open cone address port symmetric blocked)
cells=("$@")
if [ ${#cells[@]} = 0 ]; then
    for ((i = 0; i < ${#kinds[@]}; i++)); do
        for ((j = i; j < ${#kinds[@]}; j++)); do cells+=("${kinds[i]}-${kinds[j]}"); done
    done
fi

# expected KIND KIND: P2P or Relayed.
expected() {
    case "$1-$2" in
        *blocked*) echo Relayed ;;
        symmetric-symmetric | symmetric-port | port-symmetric) echo Relayed ;;
        *) echo P2P ;;
    esac
}

# rules KIND INSIDE: what the translator does with UDP of the host INSIDE; everything else is plain masquerading.
rules() {
    echo 'table ip nat {'
    case $1 in
        address) echo '    set met { type ipv4_addr; flags dynamic, timeout; timeout 5m; }' ;;
    esac
    echo '    chain prerouting { type nat hook prerouting priority dstnat; policy accept;'
    case $1 in
        cone | mapped) echo "        iifname eth0 udp dport 51820 dnat to $2:51820" ;;
        address) echo "        iifname eth0 udp dport 51820 ip saddr @met dnat to $2:51820" ;;
    esac
    echo '    }'
    echo '    chain postrouting { type nat hook postrouting priority srcnat; policy accept;'
    if [ "$1" = symmetric ]; then
        echo '        oifname eth0 meta l4proto udp masquerade fully-random'
    fi
    echo '        oifname eth0 masquerade'
    echo '    }'
    echo '    chain forward { type filter hook forward priority filter; policy accept;'
    case $1 in
        address) echo '        oifname eth0 meta l4proto udp update @met { ip daddr }' ;;
        blocked) echo '        meta l4proto udp drop' ;;
    esac
    # A translator lets nothing in that nobody asked for.
    echo '        iifname eth0 ct state new ct status dnat accept'
    echo '        iifname eth0 ct state new drop'
    echo '    }'
    # What is for the translator itself: a refusal by ICMP would tell the other side more than real ones do.
    echo '    chain input { type filter hook input priority filter; policy accept;'
    echo '        iifname eth0 meta l4proto udp drop'
    echo '    }'
    echo '}'
}

# behind NAME N KIND: a host 192.168.N.2 behind a translator of that kind at 10.99.0.(30+N); `open`: 10.99.0.(30+N) itself.
behind() {
    local name=$1 number=$2 router=r-$1
    if [ "$3" = open ]; then
        host_up "$name" $((30 + number))
        return
    fi
    host_up "$router" $((30 + number))
    ip netns add "$name"
    ip -n "$router" link add eth1 type veth peer name eth0 netns "$name"
    ip -n "$router" addr add "192.168.$number.1/24" dev eth1
    ip -n "$router" link set eth1 up
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    ip -n "$name" addr add "192.168.$number.2/24" dev eth0
    ip -n "$name" route add default via "192.168.$number.1"
    in_host "$router" sysctl -qw net.ipv4.ip_forward=1
    rules "$3" "192.168.$number.2" | in_host "$router" nft -f -
}
gone() {
    local name
    for name in a b r-a r-b; do
        [ ! -e "/run/netns/$name" ] || ip netns del "$name"
        ip -n lan link del "p-$name" 2>/dev/null || true # went with its other end
    done
}

# With the second implementation there is one STUN server, so less is known.
if [ "${WGMESH_RELAY:-}" != python ]; then
    # stun_server N: a server at 10.99.0.N whose STUN alone is of use.
    stun_server() {
        start "stun-$1" server "$programs/wgmesh-server" serve --data-dir "$work/stun-$1" --listen "10.99.0.$1:9443" \
            --stun-listen "10.99.0.$1:3478" --no-relay
    }
    server_start() {
        ip -n server addr add 10.99.0.2/24 dev eth0
        stun_server 1
        stun_server 2
        start server server "$programs/wgmesh-server" serve --data-dir "$server_data" --listen "$management" \
            --public-address "$management" --stun 10.99.0.1:3478 --stun 10.99.0.2:3478
    }
fi

# mapping KIND, reason KIND OTHER: what `wgctl status PEER --why` says behind a translator of that kind.
mapping() {
    case $1 in
        open) echo 'no translator' ;;
        symmetric) echo endpoint-dependent ;;
        blocked) echo unknown ;;
        *) echo endpoint-independent ;;
    esac
}
reason() {
    case $1-$2 in
        blocked-*) echo stun-silent ;;
        symmetric-symmetric) echo both-endpoint-dependent ;;
        *) if [ "$(expected "$1" "$2")" = P2P ]; then echo chosen; else echo no-check-answered; fi ;;
    esac
}
# explains NAME PEER KIND OTHER: the host NAME behind KIND knows why its path to PEER behind OTHER is what it is.
explains() {
    local json status=0
    json=$(wgctl "$1" status "$2" --why --json) || status=$?
    [ "$status" = 0 ] || { echo "status $status"; return 1; }
    jq -e --arg reason "$(reason "$3" "$4")" --arg mapping "$(mapping "$3")" \
        '.reason == $reason and .translator.mapping == $mapping' <<<"$json" >/dev/null && return
    jq -c '{reason, translator, peerTranslator, failedSession}' <<<"$json"
    return 1
}

path_is() { status_field "$1" ".peers.details[0].connectionType == \"$2\""; }
since() { awk -v a="$1" -v b="$(milliseconds)" 'BEGIN { printf "%.1f", (b - a) / 1000 }'; }

# flags N KIND: sets `flags`, of the agent that is behind N KIND.
flags() {
    flags=()
    [ "$2" != mapped ] || flags=(--external-ip-map "10.99.0.$((30 + $1))/eth0")
}
# tells NAME PEER ENDPOINT: PEER knows NAME's host candidate to be ENDPOINT.
tells() {
    wgctl "$2" status "$1" --why --json |
        jq -ec --arg endpoint "$3" '.peerCandidates | any(. == {type: "host", endpoint: $endpoint})'
}

# cell KIND KIND: sets `first` and `best`, seconds.
cell() {
    local want began flags
    want=$(expected "$1" "$2")
    behind a 1 "$1"
    behind b 2 "$2"
    flags 1 "$1"
    agent_start a "${flags[@]}"
    check "$1-$2: a is in the mesh" eventually 60 status_field a '.management.connected and .signal.connected'
    began=$(milliseconds)
    flags 2 "$2"
    agent_start b "${flags[@]}"
    check "$1-$2: a reaches b" eventually 60 eval 'in_host a ping -c 1 -W 1 -q "$(address b 4)"'
    first=$(since "$began")
    check "$1-$2: the path is $want" eventually 60 eval "path_is a $want && path_is b $want"
    best=$(since "$began")
    # A relayed pair has tried everything only when ICE has given up; a direct one stays.
    if [ "$want" = Relayed ]; then sleep 14; else sleep 3; fi
    check "$1-$2: and stays $want" eval "path_is a $want && path_is b $want"
    check "$1-$2: 50 packets, none lost" loses_none a b 4 50
    if [ "${WGMESH_RELAY:-}" != python ]; then
        check "$1-$2: a knows why" explains a b "$1" "$2"
        check "$1-$2: b knows why" explains b a "$2" "$1"
    fi
    [ "$1" != mapped ] || check "$1-$2: b knows a's outside address" tells a b 10.99.0.31:51820
    [ "$2" != mapped ] || check "$1-$2: a knows b's outside address" tells b a 10.99.0.32:51820
    echo "cell $1-$2 $want first $first best $best"
    stop a KILL || true
    stop b KILL || true
    gone
}

lan_up
host_up server 1
server_start
check "the server takes connections" server_ready
new_key mesh >"$work/key"
for name in "${cells[@]}"; do cell "${name%-*}" "${name#*-}"; done
finish
