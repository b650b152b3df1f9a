import AgentCore
import MeshModel
import RelayWire
import Testing

@Suite struct RelayClientTests {
    private let own: RelayPeerID
    private let one: RelayPeerID
    private let two: RelayPeerID
    private let start = ContinuousClock.now

    init() throws {
        func id(_ byte: UInt8) throws -> RelayPeerID {
            RelayPeerID(try #require(PublicKey(bytes: Array(repeating: byte, count: 32))))
        }
        own = try id(1)
        one = try id(2)
        two = try id(3)
    }

    private func connected(asking peers: [RelayPeerID] = []) -> RelayClient {
        var client = RelayClient(identity: own)
        for peer in peers { #expect(client.handle(.open(peer), token: [], at: start).isEmpty) }
        #expect(client.handle(.opened, token: [7], at: start) == [.send(.auth(own, token: [7]))])
        let effects = client.handle(.message(.authResponse(instanceURL: "rel://r:80")), token: [], at: start)
        #expect(effects.first == .connected(url: "rel://r:80"))
        return client
    }

    @Test func `a relay that does not answer is given up after 8 s`() {
        var client = RelayClient(identity: own)
        _ = client.handle(.opened, token: [], at: start)
        #expect(client.deadline == start + .seconds(8))
        #expect(client.handle(.tick, token: [], at: start + .seconds(7)).isEmpty)
        guard case .disconnect = client.handle(.tick, token: [], at: start + .seconds(8)).first else {
            Issue.record("still waiting")
            return
        }
    }

    @Test func `health checks are echoed and prolong the connection`() {
        var client = connected()
        let later = start + .seconds(30)
        #expect(client.handle(.message(.healthCheck), token: [], at: later) == [.send(.healthCheck)])
        #expect(client.deadline == later + .seconds(35))
        let silent = client.handle(.tick, token: [], at: later + .seconds(35))
        #expect(silent == [.disconnect(reason: "the relay is silent")])
    }

    @Test func `what was asked for before the connection is asked for once it stands`() {
        var client = RelayClient(identity: own)
        _ = client.handle(.open(one), token: [], at: start)
        _ = client.handle(.opened, token: [], at: start)
        let effects = client.handle(.message(.authResponse(instanceURL: "rel://r:80")), token: [], at: start)
        #expect(effects == [.connected(url: "rel://r:80"), .send(.subscribe([one]))])
    }

    @Test func `a peer that goes is asked for again, and each coming and going is told once`() {
        var client = connected(asking: [one])
        #expect(client.handle(.message(.peersOnline([one, two])), token: [], at: start) == [.online(one)])
        #expect(client.handle(.message(.peersOnline([one])), token: [], at: start).isEmpty)
        let gone = client.handle(.message(.peersWentOffline([two, one])), token: [], at: start)
        #expect(gone == [.offline(one), .send(.subscribe([one]))])
        #expect(client.handle(.message(.peersOnline([one])), token: [], at: start) == [.online(one)])
        #expect(client.handle(.closed, token: [], at: start) == [.offline(one)])
        #expect(client.deadline == nil)
    }

    @Test func `a peer of no more interest is unsubscribed and not told of`() {
        var client = connected(asking: [one])
        #expect(client.handle(.close(one), token: [], at: start) == [.send(.unsubscribe([one]))])
        #expect(client.handle(.message(.peersOnline([one])), token: [], at: start).isEmpty)
    }

    @Test func `a list that is too long for a message goes in several`() throws {
        var client = RelayClient(identity: own)
        for number in 0..<(RelayLimits.peersPerMessage + 1) {
            let bytes = [UInt8(number >> 8), UInt8(number & 255)] + Array(repeating: 9, count: 30)
            let key = try #require(PublicKey(bytes: bytes))
            _ = client.handle(.open(RelayPeerID(key)), token: [], at: start)
        }
        _ = client.handle(.opened, token: [], at: start)
        let effects = client.handle(.message(.authResponse(instanceURL: "rel://r:80")), token: [], at: start)
        #expect(effects.count == 3)
    }

    @Test func `the close of the relay ends the connection, and frames of other parties change nothing`() {
        var client = connected(asking: [one])
        #expect(client.handle(.message(.subscribe([one])), token: [], at: start).isEmpty)
        #expect(client.handle(.message(.authResponse(instanceURL: "rel://x:80")), token: [], at: start).isEmpty)
        guard case .disconnect = client.handle(.message(.close), token: [], at: start).first else {
            Issue.record("the connection stays")
            return
        }
    }
}

@Suite struct LoopbackAddressesTests {
    @Test func `each peer has an address of its own, the same after a restart`() throws {
        var addresses = LoopbackAddresses()
        let keys = try (0..<200).map { number in
            // The same first four bytes: all want one address.
            try #require(PublicKey(bytes: [0, 0, 0, 5] + Array(repeating: UInt8(number), count: 28)))
        }
        let given = keys.compactMap { addresses.address(of: $0) }
        #expect(Set(given).count == keys.count)
        #expect(given.allSatisfy { $0 >> 22 == 127 << 2 | 1 })
        for (key, address) in zip(keys, given) { #expect(addresses.peer(at: address) == key) }
        var again = LoopbackAddresses()
        #expect(keys.compactMap { again.address(of: $0) } == given)
        addresses.release(keys[0])
        #expect(addresses.peer(at: given[0]) == nil)
        #expect(addresses.address(of: keys[0]) == given[0])
    }
}
