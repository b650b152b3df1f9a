import AgentCore
import MeshModel
import TestSupport
import Testing

/// Ring 3: whole meshes in virtual time. A failure names its seed; the same seed fails again.
@Suite struct ConvergenceTests {
    @Test func `three agents on a calm network connect within two seconds`() {
        var mesh = VirtualMesh(nodes: 3, seed: 1)
        mesh.run(until: .seconds(2))
        #expect(mesh.unconnected().isEmpty)
        mesh.run(until: .seconds(8))
        #expect(mesh.withoutSession().isEmpty)
    }

    @Test func `ten agents connect each to each`() {
        var mesh = VirtualMesh(nodes: 10, seed: 2)
        mesh.run(until: .seconds(15))
        #expect(mesh.unconnected().isEmpty)
        #expect(mesh.withoutSession().isEmpty)
    }

    @Test(arguments: UInt64(1)...40)
    func `whatever happened, the mesh is whole again after the storm`(_ seed: UInt64) {
        var mesh = VirtualMesh(nodes: 3 + Int(seed % 3), seed: seed)
        mesh.weather = .init(loss: 0.2, duplication: 0.1, delay: 1...400)
        storm(&mesh, until: .seconds(120))
        mesh.weather = .init()
        mesh.partitions = []
        // An offer comes every 45 s at the latest, and one that meets a session in progress waits for its 12 s.
        mesh.run(until: .seconds(120 + 2 * 45 + 12))
        #expect(mesh.unconnected().isEmpty, "seed \(seed): \(mesh.log.suffix(30).joined(separator: "\n"))")
        mesh.run(until: .seconds(120 + 2 * 45 + 12 + 20))
        #expect(mesh.withoutSession().isEmpty, "seed \(seed): \(mesh.log.suffix(30).joined(separator: "\n"))")
        #expect(mesh.nodes.values.allSatisfy { $0.kernel.peersLost == 0 }, "seed \(seed): a peer was removed")
    }

    @Test(arguments: UInt64(1)...8)
    func `peers that sleep until there is traffic are whole after the storm too`(_ seed: UInt64) {
        var mesh = VirtualMesh(nodes: 3 + Int(seed % 3), seed: seed, hasRelay: seed.isMultiple(of: 2), isLazy: true)
        mesh.weather = .init(loss: 0.2, duplication: 0.1, delay: 1...400)
        storm(&mesh, until: .seconds(120))
        mesh.weather = .init()
        mesh.partitions = []
        // A relay carries whom a storm has parted; the guard tries the direct path again within five minutes.
        mesh.run(until: .seconds(120 + 2 * 45 + 12 + (mesh.hasRelay ? 330 : 0)))
        #expect(mesh.unconnected().isEmpty, "seed \(seed): \(mesh.log.suffix(30).joined(separator: "\n"))")
        mesh.run(until: .seconds(120 + 2 * 45 + 12 + 350))
        #expect(mesh.withoutSession().isEmpty, "seed \(seed): \(mesh.log.suffix(30).joined(separator: "\n"))")
    }

    @Test(arguments: UInt64(1)...10)
    func `an agent that is killed and started costs no session`(_ seed: UInt64) {
        var mesh = VirtualMesh(nodes: 3, seed: seed)
        mesh.run(until: .seconds(20))
        let victim = mesh.keys[Int(seed % 3)]
        let before = mesh.nodes.mapValues(\.kernel.endpoints)
        mesh.restart(victim)
        for step in 1...60 {
            mesh.run(until: .seconds(20) + .milliseconds(500) * step)
            #expect(mesh.nodes.mapValues(\.kernel.endpoints) == before)
            #expect(mesh.withoutSession().isEmpty)
        }
        #expect(mesh.unconnected().isEmpty)
    }

    @Test func `a network cut for a minute heals without anybody's help`() throws {
        var mesh = VirtualMesh(nodes: 3, seed: 5)
        mesh.run(until: .seconds(20))
        mesh.partitions = [[mesh.keys[0], mesh.keys[1]]]
        mesh.run(until: .seconds(80))
        #expect(mesh.unconnected().count == 2)
        mesh.partitions = []
        mesh.run(until: .seconds(80 + 45 + 12))
        #expect(mesh.unconnected().isEmpty)
        #expect(mesh.nodes.values.allSatisfy { $0.kernel.peersLost == 0 })
    }

    @Test func `a host that gets a new address is found again`() throws {
        var mesh = VirtualMesh(nodes: 3, seed: 6)
        mesh.run(until: .seconds(20))
        mesh.renumber(mesh.keys[1], to: try #require(IPAddress("192.0.2.77")))
        mesh.run(until: .seconds(32))
        #expect(mesh.unconnected().isEmpty)
        #expect(mesh.withoutSession().isEmpty)
    }

    @Test(arguments: [(1, 24), (2, 4), (3, 4)] as [(UInt64, Int)])
    func `every host reboots while all servers are gone for hours, and the mesh works`(_ seed: UInt64, hours: Int) {
        var mesh = VirtualMesh(nodes: 3, seed: seed)
        mesh.run(until: .seconds(20))
        for key in mesh.keys { mesh.interruptSignal(key, for: .seconds(90_000)) }
        mesh.run(until: .seconds(60))
        for (number, key) in mesh.keys.enumerated() {
            mesh.run(until: .seconds(60 + 3600 * number))
            mesh.rebootWithoutServers(key)
            mesh.run(until: .seconds(60 + 3600 * number + 2))
            #expect(mesh.withoutSession().isEmpty, "seed \(seed): \(key) did not come back")
        }
        for key in mesh.keys { mesh.rebootWithoutServers(key) }
        mesh.run(until: .seconds(3600 * hours))
        #expect(mesh.withoutSession().isEmpty, "seed \(seed): \(mesh.log.suffix(10).joined(separator: "\n"))")
        for key in mesh.keys { mesh.interruptSignal(key, for: .seconds(1)) }
        mesh.run(until: .seconds(3600 * hours + 45 + 12))
        #expect(mesh.unconnected().isEmpty)
        #expect(mesh.nodes.values.allSatisfy { $0.kernel.peersLost == 0 })
    }

    @Test func `a host that moved while it was off is found when signal is back`() throws {
        var mesh = VirtualMesh(nodes: 3, seed: 4)
        mesh.run(until: .seconds(20))
        let moved = mesh.keys[1]
        for key in mesh.keys { mesh.interruptSignal(key, for: .seconds(100)) }
        mesh.rebootWithoutServers(moved)
        mesh.renumber(moved, to: try #require(IPAddress("192.0.2.99")))
        // The others do not know where it is, but it knows where they are.
        mesh.run(until: .seconds(30))
        #expect(mesh.withoutSession().isEmpty)
        mesh.interruptSignal(moved, for: .seconds(90))
        mesh.run(until: .seconds(120 + 45 + 12))
        #expect(mesh.unconnected().isEmpty)
    }

    @Test func `agents that cannot reach each other meet over the relay, and directly once they can`() throws {
        var mesh = VirtualMesh(nodes: 3, seed: 77, hasRelay: true)
        let keys = mesh.keys
        mesh.partitions = [[keys[0], keys[1]], [keys[1], keys[2]], [keys[0], keys[2]]]
        mesh.run(until: .seconds(2))
        #expect(mesh.notRelayed() == [], "the relay comes first: nothing waits for ICE to give up")
        mesh.run(until: .seconds(60))
        #expect(mesh.notRelayed() == [])
        mesh.partitions = []
        for key in keys { mesh.interruptSignal(key, for: .seconds(1)) }
        mesh.run(until: .seconds(75))
        #expect(mesh.unconnected() == [])
        #expect(mesh.withoutSession() == [])
        mesh.partitions = [[keys[0], keys[1]], [keys[1], keys[2]], [keys[0], keys[2]]]
        mesh.run(until: .seconds(85))
        #expect(mesh.notRelayed() == [], "the relay is there when the direct path ends")
    }

    @Test func `an agent that starts again beside a relay costs no direct session`() throws {
        var mesh = VirtualMesh(nodes: 3, seed: 5, hasRelay: true)
        mesh.run(until: .seconds(10))
        #expect(mesh.unconnected() == [])
        let key = mesh.keys[1]
        let before = mesh.nodes[key]?.kernel.endpoints
        mesh.restart(key)
        mesh.run(until: .seconds(30))
        #expect(mesh.unconnected() == [])
        #expect(mesh.nodes[key]?.kernel.endpoints == before)
        #expect(mesh.nodes.values.allSatisfy { $0.kernel.peersLost == 0 })
    }

    @Test func `the same seed gives the same run`() {
        func run() -> [String] {
            var mesh = VirtualMesh(nodes: 4, seed: 9)
            mesh.weather = .init(loss: 0.3, duplication: 0.2, delay: 1...300)
            storm(&mesh, until: .seconds(60))
            return mesh.log
        }
        let first = run()
        #expect(first.count > 20)
        #expect(first == run())
    }

    /// Restarts, moves, signal losses and partitions, one every few seconds.
    private func storm(_ mesh: inout VirtualMesh, until end: Duration) {
        var time: Duration = .zero
        var nextAddress: UInt8 = 100
        while time < end {
            time += .milliseconds(Int.random(in: 500...8000, using: &mesh.random))
            mesh.run(until: min(time, end))
            let victim = mesh.keys[Int.random(in: 0..<mesh.keys.count, using: &mesh.random)]
            let other = mesh.keys[Int.random(in: 0..<mesh.keys.count, using: &mesh.random)]
            switch Int.random(in: 0..<6, using: &mesh.random) {
            case 0: mesh.restart(victim)
            case 1:
                nextAddress += 1
                if let address = IPAddress(bytes: [192, 0, 2, nextAddress]) { mesh.renumber(victim, to: address) }
            case 2: mesh.interruptSignal(victim, for: .seconds(Int.random(in: 1...20, using: &mesh.random)))
            case 3: if victim != other { mesh.partitions.insert([victim, other]) }
            case 4: mesh.partitions = []
            default: mesh.publishMap()
            }
        }
    }
}
