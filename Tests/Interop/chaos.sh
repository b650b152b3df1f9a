#!/bin/bash
# kill -9 of a random agent or the server at a random moment, 50 times, each restarted at once. Afterwards the mesh
# converges by itself, and nothing is left over: no stray link, route, rule, process, file or socket.
# WGMESH_CHAOS_SEED repeats a run; WGMESH_CHAOS_KILLS sets another number.
. "$(dirname "$0")/lib.sh"

seed=${WGMESH_CHAOS_SEED:-$(($(date +%s) % 32768))} kills=${WGMESH_CHAOS_KILLS:-50}
hosts=(a b c)

# Everything that could pile up, without what moves by itself.
network_of() {
    ip -n "$1" -o link show | sed -E 's/^[0-9]+: //; s/@[^:]*//' | awk '{ print $1 }' | sort
    ip -n "$1" -o addr show | awk '{ print $2, $3, $4 }' | sort
    ip -n "$1" -4 route show table all | sort
    ip -n "$1" -6 route show table all | sort
    ip -n "$1" -4 rule show
    ip -n "$1" -6 rule show
    in_host "$1" wg show wgm0 allowed-ips | sort
}
# SQLite's own side files come and go with the server.
files_of() { find "$work" -not -name '*-wal' -not -name '*-shm' -not -name '*-journal' -printf '%y %m %P\n' | sort; }
sockets_of() { in_host "$1" ss -Hlnup | awk '{ print $4 }' | sort; in_host "$1" ss -Hlnw | awk '{ print $4 }' | sort; }
our_processes() { pgrep -x 'wgmesh-(agent|server)' | wc -l; } # comm names are cut at 15 bytes; ours fit
picture() {
    local host
    for host in "${hosts[@]}"; do network_of "$host"; sockets_of "$host"; done
    echo "processes $(our_processes)"
}
all_reach() {
    local from to
    for from in "${hosts[@]}"; do
        for to in "${hosts[@]}"; do [ "$from" = "$to" ] || reaches "$from" "$to" || return; done
    done
}
all_well() {
    local host
    for host in "${hosts[@]}"; do wgctl "$host" status || return; done
}

mesh_up "${hosts[@]}"
check "all reach all" eventually 60 all_reach
check "all agents are well" eventually 60 all_well
picture >"$work.before"
files_of >"$work.files-before"

echo "seed $seed, $kills kills"
RANDOM=$seed
for ((number = 1; number <= kills; number++)); do
    victims=(server "${hosts[@]}")
    victim=${victims[RANDOM % ${#victims[@]}]}
    pause=$((RANDOM % 2000))
    # The random moment: this is the experiment, not a wait for something.
    sleep "$((pause / 1000)).$(printf '%03d' $((pause % 1000)))"
    if ! is_running "$victim"; then
        fail "kill $number: $victim had ended by itself"
    fi
    printf 'kill %d: %s after %d ms\n' "$number" "$victim" "$pause"
    kill -9 "${process[$victim]}" 2>/dev/null || true # it may have ended, which is a failure noted above
    wait "${process[$victim]}" 2>/dev/null || true # killed on purpose
    if [ "$victim" = server ]; then server_start; else agent_start "$victim"; fi
done

check "the server takes connections" server_ready
check "all agents are well again" eventually 180 all_well
check "all reach all again" eventually 60 all_reach
for host in "${hosts[@]}"; do check "$host runs" is_running "$host"; done
check "the server's database is whole" eval '[ "$(server_do peer list --json | jq length)" = 3 ]'
check "links, addresses, routes, rules, peers, sockets and processes are as before" diff "$work.before" <(picture)
check "files are as before" diff "$work.files-before" <(files_of)
rm -f "$work.before" "$work.files-before"
finish
