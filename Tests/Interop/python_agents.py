"""Two agents of the second implementation join a management server and reach a WireGuard session through it.

Environment: PEERS_DIR (folder of agent.py), PEERS_GEN (generated messages), MGMT (host:port), SETUP_KEY. Exit status 0
only if both logged in, each got the other in its map, both exchanged offers and candidates through signal, a packet
crossed the WireGuard session both ways, and the one that stayed saw the other leave, with growing serials throughout.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.environ["PEERS_DIR"])
from agent import Agent, M, icmp  # noqa: E402


async def until(what, condition, seconds=15.0):
    """Waits for a condition; fails by name after a bounded time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit(f"FAILED: {what}: not within {seconds:.0f} s")
        await asyncio.sleep(0.05)
    print(f"ok: {what}", flush=True)


class Witness(Agent):
    """An agent that remembers every map, and starts the WireGuard handshake on the path it nominated."""

    def __init__(self, host, port):
        super().__init__(host=host, ip="127.0.0.1", port=port, relay=False, quiet=True)
        self.serials = []
        self.first_sync = None

    def log(self, *parts):
        super().log(*parts)
        if parts[0] == "sync serial":
            self.serials.append(parts[1])

    def on_selected(self, peer):
        self.wg_send(("udp", peer["sel"]), peer["key"], self.wgp(peer["key"]).init())

    def saw(self, *prefix):
        return any(entry[: len(prefix)] == prefix for _, entry in self.ev)

    def peers_in_map(self):
        return {peer.wgPubKey for peer in self.netmap.remotePeers} if self.netmap else set()


async def ping(sender, receiver):
    session = sender.wgp(receiver.id.pub)
    packet = icmp(sender.addr, receiver.addr, 8, 1, 1)
    sender.wg_send(("udp", ("127.0.0.1", receiver.port)), receiver.id.pub, session.enc(packet))
    await until(f"ping {sender.host} -> {receiver.host}", lambda: sender.saw("WG ping REPLY via"))


async def main():
    first, second = Witness("python-one", 51901), Witness("python-two", 51902)
    await first.start()
    await until("first map of the first agent", lambda: first.netmap is not None)
    await second.start()
    await until("the first agent learns of the second", lambda: second.id.pub in first.peers_in_map(), 1.5)
    await until("the second agent learns of the first", lambda: first.id.pub in second.peers_in_map(), 1.5)
    await first.offer(second.id.pub)
    await until("offer through signal", lambda: second.saw("rx", "OFFER"))
    await until("answer through signal", lambda: first.saw("rx", "ANSWER"))
    controlling, other = (first, second) if first.id.pub > second.id.pub else (second, first)
    await until("WireGuard handshake", lambda: controlling.saw("WG RESP via"))
    await until("WireGuard confirmation", lambda: other.saw("WG keepalive via"))
    await ping(first, second)
    await ping(second, first)
    await second.stop()
    await until("the first agent sees the second leave", lambda: second.id.pub not in first.peers_in_map(), 1.5)
    if first.serials != sorted(set(first.serials)) or len(first.serials) < 3:
        raise SystemExit(f"FAILED: serials {first.serials} do not grow with each map")
    print(f"ok: serials {first.serials}", flush=True)
    await first.stop()


asyncio.run(main())
