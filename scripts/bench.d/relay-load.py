"""relay-load.py ours PORT SECRETFILE SECONDS | coturn PORT SECONDS: packets per second that a relay forwards.

One sender, one receiver, packets of 1,280 bytes (a full WireGuard packet in a tunnel of MTU 1,280 is 1,312), each in its own
frame, as many as the relay takes. `ours`: the relay protocol over WebSocket (spec/wire/relay.md), what the receiver gets is
counted. `coturn`: ChannelData over TCP to a TURN allocation and from there by UDP (RFC 8656, section 12.5); what the relay
reads is counted, so that a packet which the receiver loses counts for it.
"""

import base64
import hashlib
import hmac
import os
import socket
import struct
import sys
import threading
import time

PAYLOAD_BYTES = 1280
FRAMES = 40
COOKIE = 0x2112A442


def connect(port):
    stream = socket.create_connection(("127.0.0.1", port), timeout=10)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def exactly(stream, count):
    parts = b""
    while len(parts) < count:
        part = stream.recv(count - len(parts))
        if not part:
            raise SystemExit("relay-load: the relay hung up")
        parts += part
    return parts


# --- ours ------------------------------------------------------------------------------------------------------------


def masked(message):
    """One binary WebSocket message of a client (RFC 6455, section 5.3)."""
    key = os.urandom(4)
    size = len(message)
    head = b"\x82" + (bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)) + key
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + (int.from_bytes(message, "big") ^ mask).to_bytes(size, "big")


def message_from(stream):
    head = exactly(stream, 2)
    size = head[1] & 127
    if size == 126:
        size = struct.unpack("!H", exactly(stream, 2))[0]
    return exactly(stream, size)


def member(port, secret, name):
    """A connection that the relay knows by name; and the name's 36 bytes."""
    stream = connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /relay HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    stream.sendall(request.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += exactly(stream, 1)
    if b" 101 " not in answer.split(b"\r\n")[0]:
        raise SystemExit(f"relay-load: no WebSocket: {answer!r}")
    ident = b"sha-" + hashlib.sha256(name.encode()).digest()
    expiry = str(int(time.time()) + 3600).encode()
    signature = hmac.new(hashlib.sha256(secret).digest(), expiry, hashlib.sha256).digest()
    stream.sendall(masked(b"\x01\x06" + struct.pack("!I", COOKIE) + ident + b"\x01" + signature + expiry))
    if message_from(stream)[:2] != b"\x01\x07":
        raise SystemExit("relay-load: the relay does not take the token")
    return stream, ident


def load_ours(port, path, seconds):
    with open(path, "rb") as file:
        secret = file.read().strip()
    receiver, target = member(port, secret, "receiver")
    sender, _ = member(port, secret, "sender")
    piece = b"".join(masked(b"\x01\x03" + target + os.urandom(PAYLOAD_BYTES)) for _ in range(FRAMES))
    counted = 0

    def count():
        nonlocal counted
        room = bytearray(1 << 20)
        while size := receiver.recv_into(room):
            counted += size

    threading.Thread(target=count, daemon=True).start()
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        sender.sendall(piece)
    # A header of four bytes, type and id.
    return counted / (4 + 38 + PAYLOAD_BYTES) / (time.monotonic() - begun)


# --- coturn ----------------------------------------------------------------------------------------------------------


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def ask(stream, kind, attributes):
    stream.sendall(struct.pack("!HHI", kind, len(attributes), COOKIE) + os.urandom(12) + attributes)
    head = exactly(stream, 20)
    answer, size = struct.unpack("!HH", head[:4])
    body = exactly(stream, size)
    if answer != kind | 0x0100:
        raise SystemExit(f"relay-load: TURN answers {answer:#06x} to {kind:#06x}: {body!r}")


def load_coturn(port, seconds):
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    stream = connect(port)
    ask(stream, 0x0003, attribute(0x0019, b"\x11\0\0\0"))  # Allocate, REQUESTED-TRANSPORT: UDP
    peer = struct.pack("!BBH", 0, 1, sink.getsockname()[1] ^ (COOKIE >> 16))
    peer += struct.pack("!I", 0x7F000001 ^ COOKIE)
    ask(stream, 0x0009, attribute(0x000C, struct.pack("!HH", 0x4000, 0)) + attribute(0x0012, peer))  # ChannelBind
    piece = b"".join(struct.pack("!HH", 0x4000, PAYLOAD_BYTES) + os.urandom(PAYLOAD_BYTES) for _ in range(FRAMES))
    arrived = 0

    def drain():
        nonlocal arrived
        room = bytearray(2048)
        while sink.recv_into(room):
            arrived += 1

    threading.Thread(target=drain, daemon=True).start()
    sent = 0
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        stream.sendall(piece)
        sent += FRAMES
    rate = sent / (time.monotonic() - begun)
    if arrived == 0:
        raise SystemExit("relay-load: no packet arrives over TURN")
    return rate


match sys.argv[1:]:
    case ["ours", port, path, seconds]:
        print(round(load_ours(int(port), path, float(seconds))))
    case ["coturn", port, seconds]:
        print(round(load_coturn(int(port), float(seconds))))
    case _:
        raise SystemExit("usage: relay-load.py ours PORT SECRETFILE SECONDS | coturn PORT SECONDS")
