import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import Logging
package import MeshModel
import NIOCore
import NIOPosix
import RelayWire
import ServiceLifecycle
import UnixSignals

/// The control plane: management, signal and relay on one TCP port, STUN on UDP, with its state in one data directory.
package struct ControlPlane: Sendable {
    /// Where it listens; port 0 of the configuration has become a real one.
    package let endpoint: MeshModel.Endpoint

    private let publicAddress: PublicAddress
    private let lock: DataDirectoryLock
    private let server: GRPCServer<HTTP2ServerTransport.Custom<PortListener>>
    private let publisher: MapPublisher
    private let ephemeralPeers: EphemeralPeerRemoval
    private let store: SQLiteStore
    /// `nil`: agents use others, or none.
    let stun: STUNServer?
    private let relay: RelayServer?
    /// `nil`: plaintext.
    private let tls: TLSCertificate?
    private let logger: Logger

    /// Takes the data directory and the port, so that whatever is wrong with either is told before anything runs.
    ///
    /// - Throws: `ServerFailure`.
    package init(_ configuration: ServerConfiguration, logger: Logger) throws(ServerFailure) {
        try self.init(configuration, tokenRenewalInterval: AdvertisedServices.renewalInterval, logger: logger)
    }

    /// - Parameter tokenRenewalInterval: shorter in tests.
    init(_ configuration: ServerConfiguration, tokenRenewalInterval: Duration, logger: Logger) throws(ServerFailure) {
        let directory = try DataDirectory(path: configuration.dataDirectory, mayMake: true)
        lock = try directory.lock()
        store = try SQLiteStore.open(
            directory,
            mayCreate: true,
            mayUpgrade: true,
            domain: configuration.domain,
            atSeconds: secondsSince1970()
        )
        let tls: TLSCertificate? =
            if let files = configuration.tls {
                try TLSCertificate(files, loop: Self.eventLoops.next(), logger: logger)
            } else {
                nil
            }
        self.tls = tls
        let socket = try ListeningSocket(on: configuration.listen)
        endpoint = socket.endpoint
        publicAddress = PublicAddress(configured: configuration.publicAddress, listen: socket.endpoint)
        publisher = MapPublisher(store: store, logger: logger)
        ephemeralPeers = EphemeralPeerRemoval(store: store, publisher: publisher, logger: logger)
        let stun: STUNServer? =
            if case .own(let listen) = configuration.stun {
                try STUNServer(on: listen, logger: logger)
            } else {
                nil
            }
        self.stun = stun
        let advertised = try Self.advertised(configuration, stun, publicAddress, directory)
        relay = Self.relayServer(advertised, logger: logger)
        let listener = PortListener(
            eventLoopGroup: Self.eventLoops,
            socket: socket,
            tls: tls,
            connectionLimit: raiseConnectionLimit(),
            web: WebService(
                store: store,
                api: APIService(
                    store: store,
                    publisher: publisher,
                    allowsSetup: configuration.allowsSetup,
                    logger: logger
                ),
                logger: logger
            ).respond,
            relay: relay,
            logger: logger
        )
        server = GRPCServer(
            transport: HTTP2ServerTransport.Custom(listenerFactory: listener, config: .stockClients),
            services: [
                ManagementService(
                    advertised: advertised,
                    store: store,
                    publisher: publisher,
                    renewalInterval: tokenRenewalInterval,
                    logger: logger
                ),
                SignalService(registry: SignalRegistry(), logger: logger),
            ]
        )
        self.logger = logger
    }

    /// Serves until the task is cancelled, or SIGTERM or SIGINT arrives; then ends every stream and returns. Call once.
    ///
    /// - Parameter handlesSignals: `false` leaves the process's signals alone, for tests.
    package func run(handlesSignals: Bool = true) async throws {
        defer { lock.release() }
        try await store.disconnectAll()
        let server = ServerService(server: server) {
            logger.info("serving", metadata: ["listen": "\(endpoint)", "public-address": "\(publicAddress)"])
        }
        // Stopped in reverse order: first no new calls, with all streams ended, then what they need.
        var services = [
            Self.service(ephemeralPeers, named: "ephemeral peers"),
            Self.service(publisher, named: "map publisher"),
            Self.service(server, named: "gRPC server"),
        ]
        if let tls { services.append(Self.service(tls, named: "certificate")) }
        if let stun { services.append(Self.service(stun, named: "STUN server")) }
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: handlesSignals ? [.sigterm, .sigint] : [],
            logger: logger
        )
        // A client that does not close its connection in time must not keep the service manager waiting.
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped")
    }

    /// One for each core, shared by all that this process does with TCP.
    private static let eventLoops: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup

    /// - Throws: `ServerFailure` if the relay's secret cannot be read or made.
    private static func advertised(
        _ configuration: ServerConfiguration,
        _ stun: STUNServer?,
        _ publicAddress: PublicAddress,
        _ directory: DataDirectory
    ) throws(ServerFailure) -> AdvertisedServices {
        let servers: AdvertisedServices.STUN
        if let stun {
            servers = .own(port: stun.endpoint.port)
        } else if case .external(let others) = configuration.stun {
            servers = .external(others)
        } else {
            servers = .none
        }
        let relay: AdvertisedServices.Relay
        switch configuration.relay {
        case .none: relay = .none
        case .own: relay = .own(try directory.relaySecret())
        case .external(let urls, let secret): relay = .external(urls: urls, secret)
        }
        return AdvertisedServices(
            publicAddress: publicAddress,
            usesTLS: configuration.tls != nil,
            stun: servers,
            relay: relay
        )
    }

    /// - Returns: `nil` where the relay is not ours.
    private static func relayServer(_ advertised: AdvertisedServices, logger: Logger) -> RelayServer? {
        guard case .own(let secret) = advertised.relay else { return nil }
        return RelayServer(group: eventLoops, secret: secret, logger: logger) { local in
            advertised.relayURL(
                at: advertised.publicAddress.address(local: local.flatMap(Endpoint.init(socketAddress:)))
            )
        }
    }

    private static func service(
        _ service: any Service,
        named name: String
    ) -> ServiceGroupConfiguration.ServiceConfiguration {
        .init(service: service, failureTerminationBehavior: .gracefullyShutdownGroup, serviceName: name)
    }
}

/// The gRPC server as a service: a graceful shutdown ends its streams, since each handler hears of it.
private struct ServerService: Service {
    let server: GRPCServer<HTTP2ServerTransport.Custom<PortListener>>
    /// Called once it serves.
    let onStart: @Sendable () -> Void

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.serve() }
                group.addTask {
                    // `nil`: it does not serve, and `serve` says why.
                    if await server.transport.listeningAddress != nil { onStart() }
                }
                try await group.waitForAll()
            }
        } onGracefulShutdown: {
            server.beginGracefulShutdown()
        }
    }
}

extension HTTP2ServerTransport.Custom.Config {
    /// Settings that stock clients need, each measured. Source: spec/wire/management.md A1.1a, spec/wire/signal.md 1.
    fileprivate static var stockClients: Self {
        var config = Self.defaults
        // Clients probe the window with a PING after most DATA: none of them may count towards a limit.
        config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .zero
        config.connection.keepalive.clientBehavior.allowWithoutCalls = true
        // A peer behind a vanished NAT must not look connected for hours.
        config.connection.keepalive.time = .seconds(30)
        config.connection.keepalive.timeout = .seconds(10)
        config.connection.maxGraceTime = .seconds(5)
        // Rosenpass offers have half a megabyte; 4 MiB is gRPC's usual limit, which clients expect.
        config.rpc.maxRequestPayloadSize = 4 << 20
        return config
    }
}
