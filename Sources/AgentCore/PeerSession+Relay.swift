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
        let isReachable = context.isSignalConnected && context.listenPort != 0
        return (isReachable ? [.signal(.offer(description(context)))] : []) + renewRelay(context)
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
        // A direct path that may be alive is not given up while ICE is still at work: its failure brings us here.
        let isDirect = [self.endpoint, context.kernelEndpoint].contains { $0.map { !$0.address.isLoopback } ?? false }
        if !(isDirect && ice != nil) { use(endpoint, at: now) }
        return []
    }

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

    private mutating func closeRelay() -> [Effect] {
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
