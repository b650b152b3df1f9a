#!/bin/bash
# A host boots while every server is gone: the map and the peers' endpoints of last time make the mesh, within seconds of
# the agent's start; what is stale is marked until the server is back. The server is named and speaks TLS; every packet to
# it is marked; its name is gone with it.
. "$(dirname "$0")/lib.sh"

hosts=(a b)
server_name=mesh.test

# --- a name and a certificate ----------------------------------------------------------------------------------------

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$server_name" \
        -addext "subjectAltName=DNS:$server_name" -keyout "$work/tls/key.pem" -out "$work/tls/certs/ca-certificates.crt"
}
mkdir -p "$work/tls/certs"
check "openssl makes a certificate" certificate
printf '127.0.0.1 localhost\n' >"$work/tls/hosts"
printf '10.99.0.1 %s\n' "$server_name" | cat "$work/tls/hosts" - >"$work/tls/hosts.full"

server_start() {
    start server server "$programs/wgmesh-server" serve --data-dir "$server_data" --listen "$management" \
        --public-address "$server_name:${management##*:}" \
        --tls-cert "$work/tls/certs/ca-certificates.crt" --tls-key "$work/tls/key.pem"
}

# with_name HOSTS CERTIFICATES COMMAND...: COMMAND sees HOSTS as /etc/hosts, and trusts our certificate alone.
with_name=(unshare -m sh -c 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/ssl/certs && shift && exec "$@"')

hosts_file=$work/tls/hosts.full
agent_start() {
    start "$1" "$1" "${with_name[@]}" "$hosts_file" "$work/tls/certs" "$programs/wgmesh-agent" run \
        --management-url "https://$server_name:${management##*:}" --setup-key-file "$work/key" --hostname "$1" \
        --state-dir "$work/$1/state" --socket "$work/$1/agent.sock"
}

# watch_marks HOST: counts what leaves for the server's port, with our mark and without.
watch_marks() {
    in_host "$1" nft -f - <<RULES
table inet watch {
    counter marked { }
    counter unmarked { }
    chain output {
        type filter hook output priority 0; policy accept;
        tcp dport ${management##*:} meta mark 0x7946 counter name marked
        tcp dport ${management##*:} meta mark != 0x7946 counter name unmarked
    }
}
RULES
}
counted() { in_host "$1" nft -j list counter inet watch "$2" | jq -e '.nftables[] | select(.counter) | .counter.packets'; }

is_stale() { status_field "$1" '.mapStaleSince != null'; }
is_fresh() { status_field "$1" '.mapStaleSince == null'; }
remembers_peers() { grep -q '^peer ' "$work/$1/state/hints"; }
has_tunnel() { address "$1" 4 >/dev/null && in_host "$1" wg show wgm0 endpoints | has ':51820$'; }
names_the_time() { { wgctl "$1" status || true; } | has -E '^Map: stale since 20..-..-..T..:..:..Z \(stored\)$'; }
says_why() { grep 'a stored file is not used' "$work/$1/log" | has 'reason=its checksum is wrong'; }

# power_off HOST: the agent dies without a word, and the kernel forgets.
power_off() {
    stop "$1" KILL || true # its status is the signal's
    ip -n "$1" link delete wgm0
}

# Memory that is the agent's own, in kB.
anonymous_memory() { awk '$1 == "RssAnon:" { print $2 }' "/proc/${process[$1]}/status"; }

# Emulated, programs run some 10 to 20 times slower, and whatever else the machine does comes on top.
boot_bound=2000
[ "${WGMESH_GUEST_KIND:-}" != vm ] || boot_bound=60000

# The hosts stand before mesh_up gives them agents, so that the first packet is counted.
eval "plain_$(declare -f host_up)"
host_up() {
    plain_host_up "$@"
    [ "$1" = server ] || watch_marks "$1"
}
mesh_up "${hosts[@]}"
for host in "${hosts[@]}"; do
    check "$host: management and signal over TLS, both connected" eventually 60 wgctl "$host" status
    check "$host: packets to the server carry the mark" [ "$(counted "$host" marked)" -gt 20 ]
    check_equal "$host: packets to the server without it" "$(counted "$host" unmarked)" 0
    check "$host remembers the server's address" eventually 20 \
        grep -qx "server $server_name 10.99.0.1" "$work/$host/state/hints"
done
for host in "${hosts[@]}"; do
    check "$host remembers where its peers are" eventually 60 remembers_peers "$host"
    check "$host keeps map and hints for its owner only" eval \
        "[ \"\$(stat -c %a '$work/$host/state/map' '$work/$host/state/hints' | tr '\n' ' ')\" = '600 600 ' ]"
    check "$host: the map is fresh" is_fresh "$host"
done
declare -A overlay=()
for host in "${hosts[@]}"; do overlay[$host]=$(address "$host" 4); done

# --- all servers gone, every host reboots ----------------------------------------------------------------------------

stop server KILL || true # its status is the signal's
hosts_file=$work/tls/hosts # no name server either
for host in "${hosts[@]}"; do power_off "$host"; done
for host in "${hosts[@]}"; do
    begun=$(milliseconds)
    agent_start "$host"
    check "$host: address and the peer's endpoint without a server" eventually 60 has_tunnel "$host"
    took=$(($(milliseconds) - begun))
    check "$host: the tunnel is up in $took ms, at most $boot_bound" [ "$took" -le "$boot_bound" ]
done
for host in "${hosts[@]}"; do
    check "$host has a handshake" eventually 30 has_handshakes "$host" 1
    check_equal "$host has the address it had" "$(address "$host" 4)" "${overlay[$host]}"
    check "$host: the map is marked stale" eventually 20 is_stale "$host"
done
check "a reaches b" eventually 10 reaches a b
check "b reaches a, 50 pings, none lost" loses_none b a 4 50
check "status names the time" names_the_time a

# One restart without a reboot: the kernel's endpoints are left as they are.
before=$(in_host a wg show wgm0 endpoints | sort)
check_stop a
agent_start a
check "a, restarted, goes by the stored map" eventually 30 is_stale a
check_equal "a's endpoints are as they were" "$(in_host a wg show wgm0 endpoints | sort)" "$before"
memory=$(anonymous_memory a)

# --- a map that cannot be used ---------------------------------------------------------------------------------------

check_stop b
printf 'x' >>"$work/b/state/map"
agent_start b
check "a damaged map is set aside" eventually 30 test -e "$work/b/state/map.set-aside"
check "b says so" eventually 10 says_why b
check "b lives on" is_running b

# --- the server is back ----------------------------------------------------------------------------------------------

printf 'a: %s kB of own memory at the restart, %s kB now\n' "$memory" "$(anonymous_memory a)"
server_start
check "the server takes connections" server_ready
for host in "${hosts[@]}"; do
    check "$host: the map is fresh again" eventually 60 is_fresh "$host"
    check "$host: all is well" eventually 60 wgctl "$host" status
done
for host in "${hosts[@]}"; do
    check_equal "$host: packets to the server without the mark" "$(counted "$host" unmarked)" 0
done
check "b has a map again" test -e "$work/b/state/map"

# --- leaving ---------------------------------------------------------------------------------------------------------

check_stop b
check "b logs out" in_host b "${clean[@]}" "${with_name[@]}" "$work/tls/hosts.full" "$work/tls/certs" \
    "$programs/wgmesh-agent" logout --management-url "https://$server_name:${management##*:}" --state-dir "$work/b/state"
check "b has forgotten the mesh" eval "[ ! -e '$work/b/state/map' ] && [ ! -e '$work/b/state/hints' ]"
finish
