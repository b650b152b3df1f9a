import Testing

@testable import ControlPlane

struct EphemeralPeersTests {
    @Test func `an ephemeral peer goes ten minutes after its stream ended`() {
        var peers = EphemeralPeers()
        let start = ContinuousClock.now
        func due(after seconds: Int, connected: Set<String>) -> [String] {
            peers.due(ephemeral: ["a", "b"], connected: connected, at: start + .seconds(seconds))
        }
        #expect(due(after: 0, connected: ["a", "b"]) == [])
        #expect(due(after: 10, connected: ["b"]) == [])
        #expect(due(after: 609, connected: ["b"]) == [])
        #expect(due(after: 610, connected: ["b"]) == ["a"])
    }

    @Test func `a stream in between starts the grace anew`() {
        var peers = EphemeralPeers()
        let start = ContinuousClock.now
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start) == [])
        #expect(peers.due(ephemeral: ["a"], connected: ["a"], at: start + .seconds(599)) == [])
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start + .seconds(700)) == [])
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start + .seconds(1299)) == [])
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start + .seconds(1300)) == ["a"])
    }

    @Test func `a peer that was deleted otherwise is forgotten`() {
        var peers = EphemeralPeers()
        let start = ContinuousClock.now
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start) == [])
        #expect(peers.due(ephemeral: [], connected: [], at: start + .seconds(1)) == [])
        #expect(peers.due(ephemeral: ["a"], connected: [], at: start + .seconds(601)) == [])
    }
}
