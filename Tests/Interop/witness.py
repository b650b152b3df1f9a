"""witness.py LINK: what pyroute2, which shares no code with us, reads of a WireGuard link; one JSON object.

Keys: listenPort, fwmark, publicKey, mtu, alias, addresses (sorted), peers (sorted by key: publicKey, endpoint,
keepalive, allowedIPs sorted).
"""

import json
import sys

from pyroute2 import IPRoute, WireGuard


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def peer_of(attributes):
    endpoint = attributes.get_attr("WGPEER_A_ENDPOINT")
    allowed = attributes.get_attr("WGPEER_A_ALLOWEDIPS") or []
    host = endpoint and (f"[{endpoint['addr']}]" if ":" in endpoint["addr"] else endpoint["addr"])
    return {
        "publicKey": text(attributes.get_attr("WGPEER_A_PUBLIC_KEY")),
        "endpoint": endpoint and f"{host}:{endpoint['port']}",
        "keepalive": attributes.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"),
        "allowedIPs": sorted(text(ip["addr"]) for ip in allowed),
    }


def main():
    name = sys.argv[1]
    with IPRoute() as route, WireGuard() as wireguard:
        link = route.link("get", ifname=name)[0]
        addresses = route.get_addr(index=link["index"])
        device = {"publicKey": None, "peers": []}
        # A long dump comes in several messages; only the first has the device's own attributes.
        for message in wireguard.info(name):
            if message.get_attr("WGDEVICE_A_PUBLIC_KEY"):
                device["publicKey"] = text(message.get_attr("WGDEVICE_A_PUBLIC_KEY"))
                device["listenPort"] = message.get_attr("WGDEVICE_A_LISTEN_PORT")
                device["fwmark"] = message.get_attr("WGDEVICE_A_FWMARK")
            device["peers"] += [peer_of(peer) for peer in message.get_attr("WGDEVICE_A_PEERS") or []]
    device["peers"].sort(key=lambda peer: peer["publicKey"])
    device["mtu"] = link.get_attr("IFLA_MTU")
    device["alias"] = link.get_attr("IFLA_IFALIAS")
    device["addresses"] = sorted(f"{a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}" for a in addresses)
    print(json.dumps(device))


main()
