import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
package import Logging
package import MeshModel
import ServiceLifecycle
import UnixSignals

/// The control plane: management and signal on one TCP port, with its state in one data directory.
package struct ControlPlane: Sendable {
    /// Where it listens; port 0 of the configuration has become a real one.
    package let endpoint: MeshModel.Endpoint

    private let publicAddress: PublicAddress
    private let lock: DataDirectoryLock
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let publisher: MapPublisher
    private let ephemeralPeers: EphemeralPeerRemoval
    private let store: SQLiteStore
    private let tls: ServerConfiguration.TLSFiles?
    private let logger: Logger

    /// Takes the data directory and the port, so that whatever is wrong with either is told before anything runs.
    ///
    /// - Throws: `ServerFailure`.
    package init(_ configuration: ServerConfiguration, logger: Logger) throws(ServerFailure) {
        let directory = try DataDirectory(path: configuration.dataDirectory, mayMake: true)
        lock = try directory.lock()
        store = try SQLiteStore.open(
            directory,
            mayCreate: true,
            mayUpgrade: true,
            domain: configuration.domain,
            atSeconds: secondsSince1970()
        )
        let security = try Self.transportSecurity(configuration.tls)
        let socket = try ListeningSocket(on: configuration.listen)
        endpoint = socket.endpoint
        publicAddress = PublicAddress(configured: configuration.publicAddress, listen: socket.endpoint)
        publisher = MapPublisher(store: store, logger: logger)
        ephemeralPeers = EphemeralPeerRemoval(store: store, publisher: publisher, logger: logger)
        server = GRPCServer(
            transport: .http2NIOPosix(socket: socket, security: security),
            services: [
                ManagementService(
                    publicAddress: publicAddress,
                    usesTLS: configuration.tls != nil,
                    store: store,
                    publisher: publisher,
                    logger: logger
                ),
                SignalService(registry: SignalRegistry(), logger: logger),
            ]
        )
        tls = configuration.tls
        self.logger = logger
    }

    /// Serves until the task is cancelled, or SIGTERM or SIGINT arrives; then ends every stream and returns. Call once.
    ///
    /// - Parameter handlesSignals: `false` leaves the process's signals alone, for tests.
    package func run(handlesSignals: Bool = true) async throws {
        defer { lock.release() }
        try await store.disconnectAll()
        let server = ServerService(server: server, tls: tls) {
            logger.info("serving", metadata: ["listen": "\(endpoint)", "public-address": "\(publicAddress)"])
        }
        var configuration = ServiceGroupConfiguration(
            services: [
                // Stopped in reverse order: first no new calls, with all streams ended, then what they need.
                Self.service(ephemeralPeers, named: "ephemeral peers"),
                Self.service(publisher, named: "map publisher"),
                Self.service(server, named: "gRPC server"),
            ],
            gracefulShutdownSignals: handlesSignals ? [.sigterm, .sigint] : [],
            logger: logger
        )
        // A client that does not close its connection in time must not keep the service manager waiting.
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped")
    }

    private static func service(
        _ service: any Service,
        named name: String
    ) -> ServiceGroupConfiguration.ServiceConfiguration {
        .init(service: service, failureTerminationBehavior: .gracefullyShutdownGroup, serviceName: name)
    }

    /// - Throws: `ServerFailure` if a file cannot be read.
    private static func transportSecurity(
        _ files: ServerConfiguration.TLSFiles?
    ) throws(ServerFailure) -> HTTP2ServerTransport.Posix.TransportSecurity {
        guard let files else { return .plaintext }
        for (path, flag) in [(files.certificatePath, "--tls-cert"), (files.privateKeyPath, "--tls-key")] {
            guard access(path, R_OK) == 0 else {
                throw ServerFailure(
                    .failure,
                    "cannot read \(path): \(describe(errno: errno)); name a PEM file with \(flag)"
                )
            }
        }
        return .tls(
            certificateChain: [.file(path: files.certificatePath, format: .pem)],
            privateKey: .file(path: files.privateKeyPath, format: .pem)
        )
    }
}

/// The gRPC server as a service: a graceful shutdown ends its streams, since each handler hears of it.
private struct ServerService: Service {
    let server: GRPCServer<HTTP2ServerTransport.Posix>
    let tls: ServerConfiguration.TLSFiles?
    /// Called once it serves.
    let onStart: @Sendable () -> Void

    /// - Throws: `ServerFailure` if the certificate files cannot be used.
    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await serve() }
                group.addTask {
                    do {
                        _ = try await server.listeningAddress
                        onStart()
                    } catch {
                        return  // it does not serve, and `serve` says why
                    }
                }
                try await group.waitForAll()
            }
        } onGracefulShutdown: {
            server.beginGracefulShutdown()
        }
    }

    private func serve() async throws {
        do {
            try await server.serve()
        } catch let error as RuntimeError {
            guard let tls, error.code == .transportError else { throw error }
            throw ServerFailure(
                .failure,
                "cannot serve TLS with \(tls.certificatePath) and \(tls.privateKeyPath): \(innermostCause(of: error)); "
                    + "they must be PEM files that belong together"
            )
        }
    }

    private func innermostCause(of error: any Error) -> any Error {
        guard let cause = (error as? RuntimeError)?.cause else { return error }
        return innermostCause(of: cause)
    }
}

extension HTTP2ServerTransport.Posix {
    /// Settings that stock clients need, each measured. Source: spec/wire/management.md A1.1a, spec/wire/signal.md 1.
    static func http2NIOPosix(socket: ListeningSocket, security: TransportSecurity) -> Self {
        Self(
            listeningSocketDescriptor: Int(socket.descriptor),
            transportSecurity: security,
            config: .defaults { config in
                // Clients probe the window with a PING after most DATA: none of them may count towards a limit.
                config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .zero
                config.connection.keepalive.clientBehavior.allowWithoutCalls = true
                // A peer behind a vanished NAT must not look connected for hours.
                config.connection.keepalive.time = .seconds(30)
                config.connection.keepalive.timeout = .seconds(10)
                config.connection.maxGraceTime = .seconds(5)
                // Rosenpass offers have half a megabyte; 4 MiB is gRPC's usual limit, which clients expect.
                config.rpc.maxRequestPayloadSize = 4 << 20
            }
        )
    }
}
