"""bad_messages.py HOST:PORT: sends malformed and oversized messages to a control plane; each must be refused.

After each one the server must still answer. The random ones come from a seed, which is printed.
"""

import random
import socket
import sys

import grpc

TARGET = sys.argv[1]
SEED = 20261122
MANAGEMENT = "/management.ManagementService/"
SIGNAL = "/signalexchange.SignalExchange/"
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1)]
failures = 0


def channel():
    return grpc.insecure_channel(TARGET, options=OPTIONS)


def is_healthy():
    with channel() as connection:
        connection.unary_unary(MANAGEMENT + "isHealthy")(b"", timeout=30)


def expect(description, call, codes):
    """Runs call; it must end with one of the codes ("OK" included if listed), and the server must answer after it."""
    global failures
    try:
        call()
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    try:
        is_healthy()
        alive = "and the server answers"
    except grpc.RpcError as error:
        alive = f"and the server is gone: {error.code().name}"
    good = code in codes and alive == "and the server answers"
    failures += not good
    print(f"{'PASS' if good else 'FAIL'} {description}: {code}, {alive}", flush=True)


def unary(method, body):
    def call():
        with channel() as connection:
            connection.unary_unary(method)(body, timeout=30)

    return call


def server_stream(method, body):
    def call():
        with channel() as connection:
            for _ in connection.unary_stream(method)(body, timeout=10):
                pass

    return call


def duplex(method, bodies, metadata=()):
    def call():
        with channel() as connection:
            for _ in connection.stream_stream(method)(iter(bodies), metadata=metadata, timeout=5):
                pass

    return call


def raw(data):
    def call():
        host, port = TARGET.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
            connection.settimeout(5)
            try:
                while connection.recv(65536):
                    pass
            except (TimeoutError, ConnectionResetError):
                pass  # either is the server's right; what counts is that it answers others

    return call


def field(number, data):
    """A length-delimited protobuf field."""
    length, size = len(data), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def envelope(key, body):
    return field(1, key) + field(2, body)


def main():
    print(f"seed {SEED}")
    source = random.Random(SEED)
    key = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    refused = {"INVALID_ARGUMENT", "INTERNAL", "PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND", "FAILED_PRECONDITION"}
    for method in ["Login", "Logout", "SyncMeta"]:
        expect(f"{method}: nothing", unary(MANAGEMENT + method, b""), refused)
        expect(f"{method}: no protobuf", unary(MANAGEMENT + method, b"\xff" * 50), refused)
        expect(f"{method}: a key that is none", unary(MANAGEMENT + method, envelope(b"key", b"x" * 60)), refused)
        expect(f"{method}: an empty body", unary(MANAGEMENT + method, envelope(key, b"")), refused)
        expect(f"{method}: a body nobody sealed", unary(MANAGEMENT + method, envelope(key, b"x" * 200)), refused)
    expect("Sync: a body nobody sealed", server_stream(MANAGEMENT + "Sync", envelope(key, b"x" * 200)), refused)
    oversized = envelope(key, bytes(20 << 20))
    # grpc-go says RESOURCE_EXHAUSTED; grpc-swift's transport resets the stream, which a client sees as CANCELLED.
    too_long = {"RESOURCE_EXHAUSTED", "CANCELLED"}
    expect("Login: 20 MiB", unary(MANAGEMENT + "Login", oversized), too_long)
    expect("Send: 20 MiB", unary(SIGNAL + "Send", oversized), too_long)
    expect("Send: no protobuf", unary(SIGNAL + "Send", b"\xff" * 50), refused)
    expect("ConnectStream: no name", duplex(SIGNAL + "ConnectStream", []), refused)
    expect("no such method", unary(MANAGEMENT + "Nonsense", b""), {"UNIMPLEMENTED"})
    expect("no such service", unary("/nonsense.Nonsense/Do", b""), {"UNIMPLEMENTED"})
    for number in range(20):
        body = source.randbytes(source.randrange(1, 400))
        expect(f"Login: random bytes {number}", unary(MANAGEMENT + "Login", body), refused)
    expect("TCP: random bytes", raw(source.randbytes(5000)), {"OK"})
    expect("TCP: HTTP/1.1", raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), {"OK"})
    expect("TCP: a preface and then nonsense", raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + source.randbytes(5000)), {"OK"})
    expect("TCP: nothing", raw(b""), {"OK"})
    sys.exit(1 if failures else 0)


main()
