public import ICE
public import MeshModel

/// Everything that is known of the way to one peer, for `wgctl status PEER --why`.
public struct PathReport: Hashable, Sendable {
    /// The last ICE session that found no path or lost it.
    public struct Failure: Hashable, Sendable {
        public var report: ICEReport
        public var failure: ICEFailure
        public var age: Duration
    }

    /// One of our own addresses, as peers are told.
    public struct Candidate: Hashable, Sendable {
        public var kind: RemoteCandidate.Kind
        public var endpoint: Endpoint
    }

    public var peer: PeerStatus
    /// Ours.
    public var candidates: [Candidate]
    /// Whether we control ICE and lend the relay.
    public var isController: Bool
    public var isEnabled: Bool
    public var signalServer: ConnectionState
    /// 0 until the kernel has said so.
    public var listenPort: UInt16
    public var offersSent: Int
    /// Whether the peer ever sent an offer or an answer.
    public var isHeard: Bool
    /// Whether it does ICE with us, as its last offer or answer says.
    public var doesICE: Bool
    /// The session in force; `nil`: there is none.
    public var ice: ICEReport?
    /// How long that one has been running.
    public var iceAge: Duration?
    /// `nil`: none failed since one last found a path.
    public var failure: Failure?
    /// URL of the relay that is kept for this peer; `nil`: no relay in common.
    public var relayServer: String?
    /// Whether the peer can be reached over it.
    public var isRelayReady: Bool
    /// Our own.
    public var translator: TranslatorReport

    /// The session with the most to say: what is found out by the running one comes last.
    public var telling: ICEReport? {
        guard let failure, ice?.hasSelected != true else { return ice ?? failure?.report }
        return failure.report
    }

    /// Of the peer's translator.
    public var remoteMapping: TranslatorReport.Mapping { telling?.remoteMapping ?? .unknown }
}

extension AgentCore {
    /// - Parameter nowSeconds: seconds since 1970, as for `status`.
    /// - Returns: `nil` for a peer that is not in the map.
    public func pathReport(
        of peer: PublicKey,
        at now: ContinuousClock.Instant,
        nowSeconds: Int64
    ) -> PathReport? {
        guard let remote = map?.peers.first(where: { $0.publicKey == peer }), peer != configuration.publicKey else {
            return nil
        }
        let session = sessions[peer]
        let ice = session?.ice?.report
        return PathReport(
            peer: status(of: remote, nowSeconds: nowSeconds),
            candidates: candidates,
            isController: configuration.publicKey.isController(over: peer),
            isEnabled: isEnabled,
            signalServer: signalServer,
            listenPort: listenPort,
            offersSent: session?.offersSent ?? 0,
            isHeard: session?.remote != nil,
            doesICE: session?.remote?.credentials != nil,
            ice: ice,
            iceAge: ice.map { now - $0.started },
            failure: session?.lastFailure.map {
                PathReport.Failure(report: $0.report, failure: $0.failure, age: now - $0.ended)
            },
            relayServer: session?.relay?.server,
            isRelayReady: session?.relay?.endpoint != nil,
            translator: translator
        )
    }

    private var candidates: [PathReport.Candidate] {
        let hosts =
            listenPort == 0
            ? [] : localAddresses.map { Endpoint(address: outsides[$0] ?? $0, port: listenPort) }
        return hosts.map { PathReport.Candidate(kind: .host, endpoint: $0) }
            + reflexiveCandidates.map { PathReport.Candidate(kind: .srflx, endpoint: $0) }
    }
}
