"""A receiver that does not read its signal messages loses its stream, and no sender waits for it.

Environment: as for python_agents.py; no setup key is needed. Exit status 0 only if no send took a second and the
receiver's stream ended with CANCELLED after a few messages.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.environ["PEERS_DIR"])
from nb import MGMT, S, grpc  # noqa: E402

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
SERVICE = "/signalexchange.SignalExchange/"


def channel():
    # A pool of its own: otherwise both channels share one connection, and its window.
    return grpc.insecure_channel(MGMT, options=UNLIMITED + [("grpc.use_local_subchannel_pool", 1)])


def codec(kind, name):
    return kind(SERVICE + name, lambda message: message.SerializeToString(), S.EncryptedMessage.FromString)


def silence():
    threading.Event().wait(60)
    yield from ()


stream = codec(channel().stream_stream, "ConnectStream")(silence(), metadata=(("x-wiretrustee-peer-id", "slow"),))
assert dict(stream.initial_metadata())["x-wiretrustee-peer-registered"] == "1"
send = codec(channel().unary_unary, "Send")
longest = 0.0
for _ in range(20):
    start = time.monotonic()
    send(S.EncryptedMessage(key="sender", remoteKey="slow", body=b"x" * 3_000_000), timeout=10)
    longest = max(longest, time.monotonic() - start)
received = 0
try:
    for _ in stream:
        received += 1
    code = None
except grpc.RpcError as error:
    code = error.code()
print(f"longest send {longest:.2f} s, {received} messages received, then {code}")
os._exit(0 if longest < 1 and received < 20 and code == grpc.StatusCode.CANCELLED else 1)
