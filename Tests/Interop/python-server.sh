# With WGMESH_RELAY=python the second implementation serves instead of ours: management, signal, relay and STUN; see
# python-peers.sh. Source it after lib.sh.
if [ "${WGMESH_RELAY:-}" = python ]; then
    environment=${WGMESH_CACHE:?is set by scripts/vm}/python-peers
    server_start() {
        management=10.99.0.1:8080
        start server server env PYTHONDONTWRITEBYTECODE=1 "PEERS_GEN=$environment/gen" "$environment/venv/bin/python" \
            "${WGMESH_PEERS:-$PWD/../shared/peers}/server.py" --host 10.99.0.1 --port 8080 \
            --state "$work/python-state.json"
    }
    server_ready() { eventually 60 server_answers; }
    # Fixed; source: its README.md.
    new_key() { echo A2C8E62B-38F5-4553-B31E-DD66C696CEBB; }
fi
