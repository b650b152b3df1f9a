import RelayWire
import Testing

@testable import ControlPlane

@Suite struct RelayPresenceTests {
    /// The sequences measured on the stock relay. Source: spec/wire/relay.md 6.
    @Test func `a peer that is here is told at once, and once more when it returns, but its leaving every time`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        _ = presence.register(peer("b"), as: 2)
        #expect(presence.flush() == [])
        #expect(presence.subscribe(1, to: [peer("b")]) == 0)
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("b")]))])
        #expect(presence.unregister(2) == [.route(peer("b"), nil)])
        #expect(presence.flush() == [.tell(1, .peersWentOffline([peer("b")]))])
        _ = presence.register(peer("b"), as: 3)
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("b")]))])
        _ = presence.unregister(3)
        #expect(presence.flush() == [.tell(1, .peersWentOffline([peer("b")]))])
        _ = presence.register(peer("b"), as: 4)
        #expect(presence.flush() == [])
        #expect(presence.subscribe(1, to: [peer("b")]) == 0)
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("b")]))])
    }

    @Test func `an absent peer is told when it comes, once`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        _ = presence.subscribe(1, to: [peer("c")])
        #expect(presence.flush() == [])
        _ = presence.register(peer("c"), as: 2)
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("c")]))])
        _ = presence.unregister(2)
        #expect(presence.flush() == [.tell(1, .peersWentOffline([peer("c")]))])
        _ = presence.register(peer("c"), as: 3)
        #expect(presence.flush() == [])
    }

    @Test func `a second connection of a peer takes its place, which is no leaving`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        _ = presence.register(peer("b"), as: 2)
        _ = presence.subscribe(1, to: [peer("b")])
        _ = presence.subscribe(2, to: [peer("a")])
        _ = presence.flush()
        #expect(presence.register(peer("b"), as: 3) == [.route(peer("b"), 3), .admit(3), .end(2)])
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("b")]))])
        #expect(presence.unregister(2) == [])
        #expect(presence.flush() == [])
        #expect(presence.peerCount == 2)
        // What the first connection wanted to know has gone with it.
        _ = presence.unregister(1)
        #expect(presence.flush() == [])
        #expect(presence.unregister(1) == [])
    }

    @Test func `unsubscribed is silence, and the own name counts as here`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        _ = presence.register(peer("b"), as: 2)
        _ = presence.subscribe(1, to: [peer("a"), peer("b"), peer("c")])
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("a"), peer("b")]))])
        presence.unsubscribe(1, from: [peer("b"), peer("c")])
        _ = presence.unregister(2)
        _ = presence.register(peer("c"), as: 3)
        #expect(presence.flush() == [])
    }

    @Test func `events keep their order, like ones share a message, and messages have at most 244 peers`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        let many = (0..<300).map { peer("peer \($0)") }
        _ = presence.subscribe(1, to: many)
        for (index, name) in many.enumerated() { _ = presence.register(name, as: UInt64(100 + index)) }
        _ = presence.unregister(100)
        _ = presence.register(peer("b"), as: 2)
        _ = presence.subscribe(2, to: [many[5]])
        #expect(
            presence.flush() == [
                .tell(1, .peersOnline(Array(many[..<244]))), .tell(1, .peersOnline(Array(many[244...]))),
                .tell(1, .peersWentOffline([many[0]])), .tell(2, .peersOnline([many[5]])),
            ]
        )
    }

    @Test func `a connection watches a bounded number of peers, and is answered about the others`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        let many = (0..<RelayPresence.interestLimit).map { peer("peer \($0)") }
        #expect(presence.subscribe(1, to: many) == 0)
        #expect(presence.subscribe(1, to: [peer("a"), many[0]]) == 1)
        #expect(presence.flush() == [.tell(1, .peersOnline([peer("a")]))])
        presence.unsubscribe(1, from: [many[1]])
        #expect(presence.subscribe(1, to: [peer("a")]) == 0)
    }

    @Test func `a connection that is gone is told nothing`() {
        var presence = RelayPresence()
        _ = presence.register(peer("a"), as: 1)
        _ = presence.subscribe(1, to: [peer("a")])
        _ = presence.unregister(1)
        #expect(presence.flush() == [])
        #expect(presence.subscribe(1, to: [peer("a")]) == 0)
        #expect(presence.flush() == [])
    }

    private func peer(_ name: String) -> RelayPeerID { testPeer(name) }
}

/// Some name of a peer, the same for the same text.
func testPeer(_ name: String) -> RelayPeerID {
    let text = Array(name.utf8.prefix(32))
    let bytes = Array("sha-".utf8) + text + [UInt8](repeating: 0, count: 32 - text.count)
    guard let peer = RelayPeerID(bytes) else { preconditionFailure("these are 36 bytes") }
    return peer
}
