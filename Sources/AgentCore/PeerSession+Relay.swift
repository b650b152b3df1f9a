import ICE
import MeshModel

/// A way to a peer over a relay server.
struct RelayPath: Hashable, Sendable {
    /// URL of the relay: the controller's.
    var server: String
    /// Where WireGuard sends for this peer: an address of this host's loopback. `nil` while the peer is not there.
    var endpoint: Endpoint?
}

extension PeerSession {
    /// Asks for the way over the relay that both sides can use: the controller's. Source: spec/wire/relay.md 7.
    ///
    /// While we have no relay of our own the way in use stays: it may lead over the peer's.
    mutating func renewRelay(_ context: Context) -> [Effect] {
        guard let remote else { return [] }
        guard let theirs = remote.relayServer else { return closeRelay() }
        guard let ours = context.homeRelay else { return [] }
        let server = isController ? ours : theirs
        guard server != relay?.server else { return [] }
        let closing = closeRelay()
        relay = RelayPath(server: server)
        return closing + [.relay(.open(peer, server: server))]
    }

    /// We have a relay now: the peer learns of it by an offer, which does not disturb a session that ICE is at work on.
    mutating func announceRelay(_ context: Context) -> [Effect] {
        if lazy.isAsleep { return [] }
        let isReachable = context.isSignalConnected && context.listenPort != 0
        return (isReachable ? [offer(context)] : []) + renewRelay(context)
    }

    /// The peer is there, behind `endpoint`.
    mutating func relayReady(
        _ server: String,
        _ endpoint: Endpoint,
        _ context: Context,
        at now: ContinuousClock.Instant
    ) -> [Effect] {
        guard relay?.server == server else { return [.ignored("a relay that is not in use became ready")] }
        relay?.endpoint = endpoint
        guard ice?.selectedPair == nil else { return [] }
        // A direct path that may be alive is not given up for it: ICE may still be at work, or the kernel be content.
        guard isDirect(self.endpoint) || isDirect(context.kernelEndpoint) else {
            use(endpoint, at: now)
            return release(from: nil, to: endpoint)
        }
        return ice == nil && doubt == nil ? judge(at: now) : []
    }

    /// Packets of the peer come over the relay: it has given up the direct path, and that one's silence is no doubt any more.
    ///
    /// - Returns: what to do if nothing speaks against the direct path.
    mutating func relayCarries() -> [Effect] {
        guard let doubt else {
            if case .direct = path { return [.strayed] }
            return []
        }
        if doubt.isJudging { takeRelay() }
        return []
    }

    // MARK: - Leaving a direct path

    /// When the silence on a direct path calls for a look at the kernel's counters, to compare with when ICE gives it up.
    var suspicionDue: ContinuousClock.Instant? {
        guard doubt == nil, relay?.endpoint != nil else { return nil }
        return ice?.lastHeardFromSelected.map { $0 + Self.suspiciousSilence }
    }

    mutating func endDoubtIfHeard(at now: ContinuousClock.Instant) {
        if let heard = ice?.lastHeardFromSelected, heard + Self.suspiciousSilence > now { doubt = nil }
    }

    /// ICE has given up. Without a relay the kernel's endpoint stays: WireGuard may be alive on a path where STUN fell
    /// silent. With one it stays while it is seen to be.
    mutating func leaveDirect(_ failure: ICEFailure, at now: ContinuousClock.Instant) -> [Effect] {
        guard relay?.endpoint != nil else { return [] }
        switch failure {
        case .silent, .noPathFound: if isDirect(endpoint) { return judge(at: now) }
        case .localAddressGone: break
        }
        takeRelay()
        return []
    }

    private mutating func judge(at now: ContinuousClock.Instant) -> [Effect] {
        var doubt = doubt ?? PathDoubt()
        doubt.judge(at: now)
        self.doubt = doubt
        return [.observe]
    }

    /// - Parameter bytes: received from the peer in all, as the kernel counts them now.
    mutating func weigh(receivedBytes bytes: UInt64, at now: ContinuousClock.Instant) {
        guard doubt?.isOver(receivedBytes: bytes, at: now) == true else { return }
        takeRelay()
    }

    private mutating func takeRelay() {
        doubt = nil
        if let relayed = relay?.endpoint { endpoint = relayed }
    }

    func isDirect(_ endpoint: Endpoint?) -> Bool { endpoint.map { !$0.address.isLoopback } ?? false }

    /// Two checks have gone unanswered by then; after a third one ICE gives up.
    private static var suspiciousSilence: Duration { .seconds(4) }

    /// The relay or our way over it is gone.
    mutating func relayLost(
        _ server: String,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard relay?.server == server else { return [] }
        let former = relay?.endpoint
        relay?.endpoint = nil
        forget(former)
        retrySoon(at: now, random: &random)
        return []
    }

    mutating func closeRelay() -> [Effect] {
        guard let former = relay else { return [] }
        relay = nil
        forget(former.endpoint)
        return [.relay(.close(peer))]
    }

    /// Nobody listens at a relay's end any more: better no opinion than that.
    private mutating func forget(_ relayed: Endpoint?) {
        guard let relayed else { return }
        if endpoint == relayed { endpoint = nil }
        if pendingEndpoint?.endpoint == relayed { pendingEndpoint = nil }
    }
}
