import MapCompiler
import MeshModel
import TestSupport
import Testing

struct AffectedPeersTests {
    private let directory = Directory.sample(
        peers: 4,
        groups: ["A": [1], "B": [2, 3]],
        policies: [
            "ab": Policy(rules: [
                PolicyRule(id: "r", sources: .named("A"), destinations: .named("B"), isBidirectional: false)
            ])
        ]
    )

    private func affected(_ change: (inout Directory) -> Void) -> Set<PeerID> {
        var changed = directory
        change(&changed)
        return affectedPeers(from: directory, to: changed)
    }

    @Test func `nothing changed, nobody is affected, whatever the serial`() {
        #expect(affected { _ in } == [])
        #expect(affected { $0.serial += 1 } == [])
    }

    @Test func `a peer that leaves touches those it could see`() {
        let left = affected {
            $0.peers[.number(3)] = nil
            $0.groups[.named("B")]?.members.remove(.number(3))
            $0.groups[.named("All")]?.members.remove(.number(3))
        }
        #expect(left == [.number(1)])
    }

    @Test func `a peer that joins touches itself and those it will see`() {
        let joined = affected {
            $0.peers[.number(5)] = .sample(5)
            $0.groups[.named("All")]?.members.insert(.number(5))
            $0.groups[.named("A")]?.members.insert(.number(5))
        }
        #expect(joined == [.number(5), .number(2), .number(3)])
    }

    @Test func `a peer that joins no policy touches itself alone`() {
        #expect(affected { $0.peers[.number(5)] = .sample(5) } == [.number(5)])
    }

    @Test func `what others do not see of a peer touches itself alone`() {
        #expect(affected { $0.peers[.number(2)]?.meta.hostname = "new" } == [.number(2)])
        #expect(affected { $0.peers[.number(2)]?.label = "new" } == [.number(1), .number(2)])
    }

    @Test func `a setting of the account touches everybody`() {
        #expect(affected { $0.domain = "other.example" }.count == 4)
        #expect(affected { $0.settings.isLazyConnectionEnabled.toggle() }.count == 4)
        #expect(affected { $0.peers[.number(4)]?.meta.agentVersion = "0.40.0" }.count == 4)  // forwarder port
    }

    @Test func `a policy that is switched touches both of its ends`() {
        #expect(affected { $0.policies["ab"]?.isEnabled = false } == [.number(1), .number(2), .number(3)])
    }

    /// The property that a publisher depends on: who is not named has the same map as before.
    @Test(arguments: 1...500 as ClosedRange<UInt64>) func `whose map differs is affected`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let old = Directory.random(using: &generator)
        var new = old
        for _ in 0...Int.random(in: 0...2, using: &generator) { new.change(using: &generator) }
        new.serial = old.serial
        let affected = affectedPeers(from: old, to: new)
        let (before, after) = (NetworkMapCompiler(old), NetworkMapCompiler(new))
        for id in new.peers.keys where before.map(for: id) != after.map(for: id) {
            #expect(affected.contains(id), "\(id) with seed \(seed)")
        }
        #expect(affected.isSubset(of: new.peers.keys))
    }
}

extension Directory {
    /// One random administrative change.
    fileprivate mutating func change(using generator: inout some RandomNumberGenerator) {
        let peer = peers.keys.sorted().randomElement(using: &generator) ?? .number(1)
        let group = groups.keys.sorted().randomElement(using: &generator) ?? .named("All")
        let policy = policies.keys.sorted().randomElement(using: &generator)
        let route = routes.keys.sorted().randomElement(using: &generator)
        switch Int.random(in: 0..<20, using: &generator) {
        case 0:
            peers[peer] = nil
            for id in groups.keys { groups[id]?.members.remove(peer) }
        case 1:
            peers[.number(9)] = .sample(9)
            groups[.named("All")]?.members.insert(.number(9))
            groups[group]?.members.insert(.number(9))
        case 2: groups[group]?.members.insert(peer)
        case 3: groups[group]?.members.remove(peer)
        case 4: groups[group] = nil
        case 5: if let policy { policies[policy]?.isEnabled.toggle() }
        case 6: policies["new"] = .random(99, peers: 8, using: &generator)
        case 7: peers[peer]?.isValidated.toggle()
        case 8: peers[peer]?.meta.isIPv6Disabled.toggle()
        case 9: if let route { routes[route]?.isEnabled.toggle() }
        case 10: if let route { routes[route] = nil }
        case 11: routes["new"] = .random(peers: 8, using: &generator)
        case 13: networks = [:]
        case 18: peers[peer]?.isLoginExpired.toggle()
        case 17: dns = .random(using: &generator)
        case 14: networks["new"] = .random(peers: 8, using: &generator)
        case 15: groups[group]?.resources.formSymmetricDifference(["10.7.0.0/16"])
        case 16: for id in networks.keys { networks[id]?.routers = [] }
        case 12: if let route { routes[route]?.distributionGroups.formSymmetricDifference([group]) }
        default: peers[peer]?.address = IPAddress(bytes: [100, 64, 9, 9])!
        }
    }
}
