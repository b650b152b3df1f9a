#!/bin/bash
# The inside of ./demo: a server and two agents on one LAN, each in a network namespace; proves the tunnel and prints
# what the programs and the kernel say. Exit status 0 only if all of it is true.
. "$(dirname "$0")/lib.sh"

begun=$(milliseconds)
step() { # DESCRIPTION COMMAND...
    local description=$1 since
    shift
    since=$(milliseconds)
    printf '==> %s\n' "$description"
    if ! "$@"; then
        printf 'FAIL %s\n' "$description"
        show_logs
        exit 1
    fi
    awk -v ms=$(($(milliseconds) - since)) 'BEGIN { printf "    %.1f s\n", ms / 1000 }'
}

lan() { lan_up && host_up server 1 && host_up a 11 && host_up b 12; }
serve() { server_start && server_ready; }
make_key() { new_key demo >"$work/key" && [ -s "$work/key" ]; }
join() { agent_start a && agent_start b; }
agents_live() { is_running a && is_running b; }
tunnel_is_up() { has_handshakes a 1 && has_handshakes b 1 && address a 6 && address b 6; }
wait_for_tunnel() { eventually 120 tunnel_or_ended && agents_live && tunnel_is_up >/dev/null; }
tunnel_or_ended() { tunnel_is_up || ! agents_live; }
ping_all() { eventually 10 reaches a b && reaches a b && reaches b a; }
show_both() { # PROGRAM...: on both hosts
    local host
    for host in a b; do
        printf -- '--- host %s: %s\n' "$host" "$*"
        case $1 in wgctl) wgctl "$host" "${@:2}" || return ;; *) in_host "$host" "$@" || return ;; esac
    done
}

printf 'kernel %s, %s\n' "$(uname -r)" "${WGMESH_GUEST_KIND:-here}"
step "LAN 10.99.0.0/24 and fd99::/64 with hosts server, a, b" lan
step "wgmesh-server serve on $management" serve
step "wgmesh-server setup-key create" make_key
step "wgmesh-agent run on a and b" join
step "waiting for the tunnel: addresses, and a handshake on both sides" wait_for_tunnel
step "ping both ways, IPv4 and IPv6" ping_all
step "200 pings from a to b, none lost" loses_none a b 4 200
step "200 pings from b to a over IPv6, none lost" loses_none b a 6 200
step "wgctl status" show_both wgctl status
step "wgctl show" show_both wgctl show
step "wg show (Debian's wireguard-tools)" show_both wg show
step "wg sees a handshake on both sides" tunnel_is_up
awk -v ms=$(($(milliseconds) - begun)) 'BEGIN { printf "the mesh works (%.1f s)\n", ms / 1000 }'
