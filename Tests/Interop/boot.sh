#!/bin/bash
# A host boots while every server is gone: the map and the peers' endpoints of last time make the mesh, within seconds of
# the agent's start; what is stale is marked until the server is back.
. "$(dirname "$0")/lib.sh"

hosts=(a b)

is_stale() { status_field "$1" '.mapStaleSince != null'; }
is_fresh() { status_field "$1" '.mapStaleSince == null'; }
remembers_peers() { grep -q '^peer ' "$work/$1/state/hints"; }
has_tunnel() { address "$1" 4 >/dev/null && in_host "$1" wg show wgm0 endpoints | grep -q ':51820$'; }
names_the_time() { { wgctl "$1" status || true; } | grep -qE '^Map: stale since 20..-..-..T..:..:..Z \(stored\)$'; }
says_why() { grep 'a stored file is not used' "$work/$1/log" | grep -q 'reason=its checksum is wrong'; }

# power_off HOST: the agent dies without a word, and the kernel forgets.
power_off() {
    stop "$1" KILL || true # its status is the signal's
    ip -n "$1" link delete wgm0
}

# Memory that is the agent's own, in kB.
anonymous_memory() { awk '$1 == "RssAnon:" { print $2 }' "/proc/${process[$1]}/status"; }

# A question to the agent takes its time on an emulated machine, so the bound grows with it; natively some 0.1 s.
boot_bound() {
    local begun
    begun=$(milliseconds)
    "$programs/wgmesh-agent" --version >/dev/null
    for _ in 1 2 3 4; do address "$1" 4 >/dev/null || true; done # only its time counts
    echo $((2000 + 3 * ($(milliseconds) - begun)))
}

mesh_up "${hosts[@]}"
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
for host in "${hosts[@]}"; do power_off "$host"; done
for host in "${hosts[@]}"; do
    bound=$(boot_bound "$host")
    begun=$(milliseconds)
    agent_start "$host"
    check "$host: address and the peer's endpoint without a server" eventually 30 has_tunnel "$host"
    took=$(($(milliseconds) - begun))
    check "$host: the tunnel is up in $took ms, at most $bound" [ "$took" -le "$bound" ]
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
check "b has a map again" test -e "$work/b/state/map"

# --- leaving ---------------------------------------------------------------------------------------------------------

check_stop b
check "b logs out" in_host b "${clean[@]}" "$programs/wgmesh-agent" logout --management-url "http://$management" \
    --state-dir "$work/b/state"
check "b has forgotten the mesh" eval "[ ! -e '$work/b/state/map' ] && [ ! -e '$work/b/state/hints' ]"
finish
