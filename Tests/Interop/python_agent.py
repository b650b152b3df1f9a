"""python_agent.py NAME IP PORT controls|follows KEY: an agent of the second implementation, until it is ended.

Without its relay. It controls ICE towards the peer with the public key KEY, or follows it: the greater key controls
(spec/wire/signal.md 7.5), so its identity is drawn until it fits.

Its modules are in WGMESH_PEERS, its generated messages in PEERS_GEN; MGMT (host:port) and SETUP_KEY say where to join.
It offers to every peer of its map, answers offers and pings, and prints a time line.
"""

import asyncio
import os
import signal
import sys

sys.path.insert(0, os.environ["WGMESH_PEERS"])

from agent import Agent, ident_rel  # noqa: E402  (the path above is where it is)


class IPv4Agent(Agent):
    """Its socket is IPv4; a check towards an IPv6 candidate would raise and end its checks for good."""

    def req(self, peer: dict, address: tuple[str, int], use: bool = False) -> None:
        if ":" not in address[0]:
            super().req(peer, address, use)


async def offer_to_new_peers(agent: Agent) -> None:
    """Offers once to each peer; the map may grow at any time, so it looks again every half second."""
    offered: set[str] = set()
    while True:
        for peer in agent.netmap.remotePeers if agent.netmap else []:
            if peer.wgPubKey not in offered:
                offered.add(peer.wgPubKey)
                await agent.offer(peer.wgPubKey)
        await asyncio.sleep(0.5)


async def main() -> None:
    name, address, port, role, key = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
    identity = ident_rel(key, {"controls": True, "follows": False}[role])
    agent = IPv4Agent(host=name, ident=identity, ip=address, port=port, relay=False)
    await agent.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    offering = asyncio.create_task(offer_to_new_peers(agent))
    await ended.wait()
    offering.cancel()
    await agent.stop()


asyncio.run(main())
