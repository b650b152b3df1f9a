#!/bin/bash
# The Python package `netbird` and the exporter `netbirdexport` drive `wgmesh-server serve` on the loopback address,
# resource by resource, while a peer of theirs listens. Needs neither root nor the guest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh

programs=${WGMESH_PROGRAMS:-$PWD/.build/debug}
python=$cache/python-api/bin/python
work=$(mktemp -d /tmp/wgmesh-api.XXXXXX)
: >"$work/log"
"$programs/wgmesh-server" serve --data-dir "$work/data" --listen 127.0.0.1:0 --no-stun 2>>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$work"' EXIT

# listening: where the server listens, once its log says so; at most 10 s.
listening() {
    local try
    for try in {1..100}; do
        sed -nE 's/.* listen=([0-9.:]+).*/\1/p' "$work/log" | grep . && return
        kill -0 "$server" || return
        sleep 0.1
    done
    return 1
}
endpoint=$(listening) || { cat "$work/log" >&2; die "the server does not listen"; }
token=$("$programs/wgmesh-server" setup --data-dir "$work/data" --email olga@example.org --name Olga --days 1)

status=0
API_ENDPOINT=$endpoint API_TOKEN=$token PYTHONDONTWRITEBYTECODE=1 timeout 120 "$python" Tests/Interop/api_client.py || status=$?
if grep -F "${token#nbp_}" "$work/log"; then
    echo "FAIL the log holds a token"
    status=1
else
    echo "PASS the log holds no token"
fi
[ "$status" = 0 ] || tail -n 40 "$work/log"
exit "$status"
