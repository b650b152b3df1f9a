import CDatagram
@preconcurrency import Dispatch
import Glibc
import Logging
import MeshModel
import ServiceLifecycle
import Synchronization

/// Answers STUN Binding requests on one UDP port, in batches of up to 64 datagrams a system call.
///
/// Answers leave from the address that was asked, also on a host with several.
struct STUNServer: Service {
    /// What it is bound to; port 0 has become a real one.
    let endpoint: Endpoint
    let counters = Counters()
    private let descriptor: Int32
    private let logger: Logger

    /// Since the start; read from any thread.
    final class Counters: Sendable {
        let answered = Atomic<Int>(0)
        /// Anything but a Binding request.
        let ignored = Atomic<Int>(0)
        let limited = Atomic<Int>(0)
    }

    /// Takes the port; answers come once it runs.
    ///
    /// - Throws: `ServerFailure`: `portTaken`, `notPrivileged` for a port that needs root.
    init(on wanted: Endpoint, logger: Logger) throws(ServerFailure) {
        let address = wanted.address.bytes
        let descriptor = CDatagram_open(address, UInt32(address.count), wanted.port, Self.receiveBufferBytes)
        guard descriptor >= 0 else { throw Self.failure(at: wanted, errno: -descriptor) }
        let port = CDatagram_port(descriptor)
        guard let port = UInt16(exactly: port) else {
            Glibc.close(descriptor)
            throw ServerFailure(.failure, "cannot read the port of the STUN socket: \(describe(errno: -port))")
        }
        self.descriptor = descriptor
        self.logger = logger
        endpoint = Endpoint(address: wanted.address, port: port)
    }

    /// Frees the port of a server that never runs.
    func close() { Glibc.close(descriptor) }

    /// Runs until the task is cancelled or the service group shuts down.
    func run() async throws {
        guard let batch = CDatagram_make() else { throw ServerFailure(.failure, "no memory for STUN") }
        let queue = DispatchQueue(label: "stun")
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let loop = STUNLoop(batch: batch, descriptor: descriptor, counters: counters)
        source.setEventHandler { loop.answer() }
        logger.info("answering STUN", metadata: ["stun-listen": "\(endpoint)"])
        let (ended, end) = AsyncStream<Void>.makeStream()
        source.setCancelHandler { [descriptor] in
            Glibc.close(descriptor)
            end.finish()
        }
        source.activate()
        do { try await gracefulShutdown() } catch {}  // cancelled: it ends all the same
        source.cancel()
        for await _ in ended {}
    }

    /// A second of requests at the pace that a core can answer.
    private static let receiveBufferBytes: Int32 = 4 << 20

    private static func failure(at endpoint: Endpoint, errno code: Int32) -> ServerFailure {
        switch code {
        case EADDRINUSE:
            ServerFailure(
                .portTaken,
                "UDP port \(endpoint) is in use; stop what is there (ss -lnup), choose another with --stun-listen, "
                    + "or go without by --no-stun"
            )
        case EADDRNOTAVAIL:
            ServerFailure(
                .failure,
                "this host has no address \(endpoint.address); choose one of its own with --stun-listen"
            )
        case EACCES:
            ServerFailure(
                .notPrivileged,
                "no right to listen on UDP \(endpoint); run as root or choose a port from 1024 on"
            )
        default: ServerFailure(.failure, "cannot listen on UDP \(endpoint): \(describe(errno: code))")
        }
    }
}

/// The state of one socket; only its dispatch queue touches it.
private final class STUNLoop {
    private let batch: OpaquePointer
    private let descriptor: Int32
    private let counters: STUNServer.Counters
    private var limit = STUNRateLimit()
    /// So that other work of the queue, such as its end, is not kept waiting by a flood.
    private static let batchesPerTurn = 16

    init(batch: OpaquePointer, descriptor: Int32, counters: STUNServer.Counters) {
        self.batch = batch
        self.descriptor = descriptor
        self.counters = counters
    }

    deinit { CDatagram_free(batch) }

    /// Answers what has arrived.
    func answer() {
        for _ in 0..<Self.batchesPerTurn {
            let count = CDatagram_receive(batch, descriptor)
            // Nothing more, or an error of an earlier answer that the kernel reports late.
            guard count > 0 else { return }
            let second = secondsSince1970()
            for slot in 0..<count { answer(slot, atSecond: second) }
            counters.answered.wrappingAdd(Int(CDatagram_answer(batch, descriptor, count)), ordering: .relaxed)
            if count < CDATAGRAM_SLOTS { return }
        }
    }

    private func answer(_ slot: Int32, atSecond second: Int64) {
        var address: (UInt64, UInt64) = (0, 0)
        var port: UInt16 = 0
        let bytes = UnsafeMutableRawBufferPointer(start: CDatagram_bytes(batch, slot), count: Int(CDATAGRAM_BYTES))
        let length = Int(CDatagram_length(batch, slot))
        let answerBytes = withUnsafeMutableBytes(of: &address) { raw -> Int in
            let size = CDatagram_peer(batch, slot, raw.baseAddress, &port)
            guard size > 0 else { return 0 }
            let peer = UnsafeRawBufferPointer(rebasing: raw[..<Int(size)])
            return STUNAnswer.write(over: bytes, length: length, address: peer, port: port)
        }
        CDatagram_setLength(batch, slot, 0)
        guard answerBytes > 0 else {
            counters.ignored.wrappingAdd(1, ordering: .relaxed)
            return
        }
        var hasher = Hasher()
        hasher.combine(address.0)
        hasher.combine(address.1)
        guard limit.admits(source: UInt64(bitPattern: Int64(hasher.finalize())), atSecond: second) else {
            counters.limited.wrappingAdd(1, ordering: .relaxed)
            return
        }
        CDatagram_setLength(batch, slot, UInt32(answerBytes))
    }
}
