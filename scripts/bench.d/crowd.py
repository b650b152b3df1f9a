#!/usr/bin/env python3
"""crowd DATABASE PEERS ROUTES: gives the database of a server that is not running so many more peers, members of All, that
never come online, and so many routes: 10.X.Y.0/24 for All, spread over them. What the agent gets of it is a real map.
"""

import base64
import ipaddress
import os
import secrets
import sqlite3
import sys

ALPHABET = "0123456789abcdefghijklmnopqrstuv"


def identifier():
    return "".join(secrets.choice(ALPHABET) for _ in range(20))


def insert(database, table, row):
    marks = ", ".join("?" for _ in row)
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def main():
    path, peer_count, route_count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if not os.path.exists(path):
        sys.exit(f"crowd: there is no {path}")
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    account = database.execute("SELECT * FROM account").fetchone()
    everyone = database.execute("SELECT id FROM peerGroup WHERE name = 'All'").fetchone()["id"]
    model = dict(database.execute("SELECT * FROM peer LIMIT 1").fetchone())
    # From the far end of the networks, where the server has given nothing out yet.
    v4 = int(ipaddress.ip_network(account["networkV4"]).broadcast_address) - 1
    v6 = int(ipaddress.ip_network(account["networkV6"]).broadcast_address) - 1
    peers = []
    for number in range(peer_count):
        peer = dict(model, id=identifier(), publicKey=base64.b64encode(secrets.token_bytes(32)).decode())
        peer.update(name=f"crowd-{number}", dnsLabel=f"crowd-{number}", isConnected=0)
        peer["addressV4"] = str(ipaddress.IPv4Address(v4 - number))
        peer["addressV6"] = str(ipaddress.IPv6Address(v6 - number))
        insert(database, "peer", peer)
        insert(database, "peerGroupMember", {"groupID": everyone, "peerID": peer["id"]})
        peers.append(peer["id"])
    for number in range(route_count):
        route = {
            "id": identifier(), "networkID": f"net-{number}", "isEnabled": 1, "domains": "[]",
            "prefix": f"10.{number // 256}.{number % 256}.0/24", "routerPeerID": peers[number % len(peers)],
            "metric": 9999, "masquerade": 1, "keepRoute": 0, "skipAutoApply": 1,
        }
        insert(database, "route", route)
        insert(database, "routeGroup", {"routeID": route["id"], "role": "client", "groupID": everyone})
    database.execute("UPDATE account SET serial = serial + 1")
    database.commit()


main()
