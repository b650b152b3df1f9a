"""relay_peers.py: what the second implementation sees of our relay and STUN server; one line per check.

Its modules are in WGMESH_PEERS, its generated messages in PEERS_GEN; MGMT (host:port) and SETUP_KEY say where to join,
RELAY_SECRET is the relay's. Ends with status 1 at the first check that fails.
"""

import asyncio
import hashlib
import hmac
import os
import socket
import struct
import sys
import time
import zlib

sys.path.insert(0, os.environ["WGMESH_PEERS"])

import websockets  # noqa: E402
from agent import Agent, icmp, pid  # noqa: E402  (the path above is where it is)

HOST = os.environ["MGMT"].split(":")[0]
COOKIE = bytes.fromhex("2112a442")
KEY = hashlib.sha256(os.environ["RELAY_SECRET"].encode()).digest()


def ok(what: str, is_so: bool, details: object = "") -> None:
    if not is_so:
        sys.exit(f"FAILED: {what} {details}")
    print(f"ok: {what}", flush=True)


async def until(what: str, condition, seconds: float = 60.0) -> None:
    """Waits for a condition; fails by name after a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            ok(what, False, f"not within {seconds:.0f} s")
        await asyncio.sleep(0.05)
    ok(what, True)


# --- STUN ------------------------------------------------------------------------------------------------------------


def ask_stun(server: str, request: bytes) -> tuple[bytes, tuple[str, int], tuple[str, int]] | None:
    """The answer, who sent it, and our own address; None after three tries without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.bind(("10.99.0.11", 0))
        for _ in range(3):
            client.sendto(request, (server, 3478))
            try:
                answer, source = client.recvfrom(2048)
                return answer, source, client.getsockname()
            except TimeoutError:
                continue
    return None


def check_stun() -> None:
    request = bytes.fromhex("000100002112a442000102030405060708090a0b")
    found = ask_stun(HOST, request)
    if found is None:
        return ok("STUN answers", False)
    answer, source, own = found
    ok("STUN answers from where it was asked", source == (HOST, 3478), source)
    port, address = struct.unpack(">H4s", answer[26:32])
    mapped = (socket.inet_ntoa(bytes(x ^ y for x, y in zip(address, COOKIE))), port ^ 0x2112)
    ok("STUN tells our own address and port", mapped == own, mapped)
    ok("its answer has 40 bytes and the transaction's id", len(answer) == 40 and answer[8:20] == request[8:])
    crc = zlib.crc32(answer[:32]) ^ 0x5354554E
    ok("its fingerprint is right", answer[32:] == struct.pack(">HHI", 0x8028, 4, crc))


# --- the relay, by a plain WebSocket client --------------------------------------------------------------------------


def token(expiry: int) -> bytes:
    payload = str(expiry).encode()
    return b"\1" + hmac.new(KEY, payload, hashlib.sha256).digest() + payload


async def connect(name: str, wire: bytes | None = None):
    """A connection that has sent `auth`; its answer is not read yet."""
    client = await websockets.connect(
        f"ws://{os.environ['MGMT']}/relay", compression=None, ping_interval=None, proxy=None, max_size=None
    )
    await client.send(b"\1\6" + COOKIE + pid(name) + (wire if wire is not None else token(int(time.time()) + 600)))
    return client


async def join(name: str):
    client = await connect(name)
    answer = await receive(client)
    assert answer == b"\1\7rel://" + os.environ["MGMT"].encode(), answer
    return client


async def receive(client, seconds: float = 20.0) -> bytes:
    """The next message but health checks, which it echoes."""
    while True:
        message = await asyncio.wait_for(client.recv(), seconds)
        if message != b"\1\5":
            return message
        await client.send(message)


async def ends(client, seconds: float = 20.0) -> bool:
    """Whether the relay ends the connection without a word."""
    try:
        await asyncio.wait_for(client.recv(), seconds)
    except websockets.ConnectionClosed as closed:
        return closed.rcvd is None
    except TimeoutError:
        return False
    return False


async def check_relay() -> None:
    ok("an expired token is refused in silence", await ends(await connect("x", token(int(time.time()) - 5))))
    ok("a forged token is refused in silence", await ends(await connect("x", b"\1" + bytes(32) + b"9999999999")))
    probe = b"\1" + bytes(32) + b"healthcheck"
    ok("a health probe is refused in silence", await ends(await connect("healthcheck-agent", probe)))

    a, b = await join("a"), await join("b")
    await a.send(b"\1\x08" + pid("b") + pid("c"))
    ok("who is here is told at once", await receive(a) == b"\1\x0a" + pid("b"))
    for size in (0, 87, 88, 1350, 8782):
        payload = os.urandom(size)
        await a.send(b"\1\3" + pid("b") + payload)
        ok(f"{size} bytes cross the relay", await receive(b) == b"\1\3" + pid("a") + payload)
    c = await join("c")
    ok("who comes is told", await receive(a) == b"\1\x0a" + pid("c"))
    newer = await join("b")
    ok("a second connection of a name ends the first in silence", await ends(b))
    ok("and is online anew, not offline", await receive(a) == b"\1\x0a" + pid("b"))
    await a.send(b"\1\3" + pid("b") + b"again")
    ok("packets go to the newer one", await receive(newer) == b"\1\3" + pid("a") + b"again")
    await c.send(b"\1\4")
    ok("close ends the connection", await ends(c))
    ok("who leaves is told", await receive(a) == b"\1\x0b" + pid("c"))
    c = await join("c")
    await a.send(b"\1\x08" + pid("a"))
    ok("a return is not told again, without a new wish", await receive(a) == b"\1\x0a" + pid("a"))
    await asyncio.gather(a.close(), newer.close(), c.close())


async def check_health() -> None:
    mute = await join("mute")
    start = time.monotonic()
    first = await asyncio.wait_for(mute.recv(), 40)
    checked = time.monotonic() - start
    ok("a health check comes after 25 s", first == b"\1\5" and 24 < checked < 32, checked)
    ok("no echo ends the connection", await ends(mute, 40))
    ok("after 45 s", 44 < time.monotonic() - start < 55, time.monotonic() - start)


# --- two agents, relayed ---------------------------------------------------------------------------------------------


def seen(agent: Agent, *start: str) -> int:
    return sum(1 for _, event in agent.ev if tuple(map(str, event[: len(start)])) == start)


async def check_agents() -> None:
    # No ICE: nothing but the relay is left.
    a, b = (
        Agent(host=f"relayed-{number}", ip="10.99.0.11", port=51820 + number, ice=False, quiet=True)
        for number in (1, 2)
    )
    await a.start()
    await b.start()
    config = a.login.netbirdConfig
    ok("agents are told of the STUN server", [s.uri for s in config.stuns] == [f"stun:{HOST}:3478"], config.stuns)
    ok("agents are told of the relay", list(config.relay.urls) == [f"rel://{os.environ['MGMT']}"], config.relay.urls)
    left = int(config.relay.tokenPayload) - time.time()
    ok("their token lasts twelve hours", 11.9 * 3600 < left <= 12 * 3600, left)
    key = b.id.pub
    await until("they are in each other's maps", lambda: a.netmap and key in [p.wgPubKey for p in a.netmap.remotePeers])
    a.peer(key)
    b.peer(a.id.pub)
    await a.relay.send(b"\1\x08" + pid(key))
    await until("one hears that the other is on the relay", lambda: seen(a, "relay frame", "10") == 1)
    await a.offer(key)
    await until("an answer names the relay", lambda: a.peers[key].get("rrelay") == f"rel://{os.environ['MGMT']}")
    session, via = a.wgp(key), ("relay", a.relay)
    a.wg_send(via, key, session.init())
    await until("a WireGuard handshake crosses the relay", lambda: seen(a, "WG RESP via", "relay") == 1)
    for number in range(20):
        a.wg_send(via, key, session.enc(icmp(a.addr, b.addr, 8, 7, number, b"x" * (number * 64))))
    await until("20 pings and their answers cross the relay", lambda: seen(a, "WG ping REPLY via", "relay") == 20)
    await b.stop()
    await until("one hears that the other has left", lambda: seen(a, "relay frame", "11") == 1)
    await a.stop()


async def main() -> None:
    check_stun()
    await check_relay()
    health = asyncio.create_task(check_health())
    await check_agents()
    await health


asyncio.run(main())
