import Foundation
import GRDB
import MapCompiler
import MeshModel
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct RouteStoreTests {
    /// A mesh with the hosts `a` and `b`, `a` in the group `gateways`, and an empty group `office`.
    private func withMesh(_ body: (SQLiteStore, Administration) async throws -> Void) async throws {
        try await withTemporaryFolder { path in
            let store = try SQLiteStore.open(
                DataDirectory(path: path),
                mayCreate: true,
                mayUpgrade: true,
                atSeconds: 0
            )
            let administration = try Administration(dataDirectory: path)
            let key = try await administration.createSetupKey(
                .init(name: "key", isOneOff: false, lifetime: nil, usageLimit: 0, isEphemeral: false)
            ).key
            for hostname in ["a", "b"] {
                let peer = TestPeer(hostname: hostname)
                _ = try await store.register(
                    PeerRegistration(
                        publicKey: peer.publicKey,
                        setupKeyHash: SetupKeySecret.hash(of: key),
                        sshPublicKey: "",
                        meta: peer.meta
                    ),
                    atSeconds: 0
                )
            }
            for name in ["gateways", "office"] { _ = try await administration.createGroup(name: name) }
            _ = try await administration.setMember("a", ofGroup: "gateways", to: true)
            try await body(store, administration)
        }
    }

    private func change(_ edit: (inout RouteChange) throws -> Void = { _ in }) rethrows -> RouteChange {
        var change = RouteChange()
        change.networkID = "net"
        change.destination = .prefix(IPPrefix("10.1.0.0/16")!)
        change.routers = .peer("a")
        change.distributionGroups = ["All"]
        try edit(&change)
        return change
    }

    private func refusal(_ body: () async throws -> Void) async throws -> String {
        do {
            try await body()
        } catch let failure as ServerFailure {
            return failure.description
        }
        Issue.record("it was done")
        throw CancellationError()
    }

    @Test func `a route is in the directory as it was made, and changes where it is told to`() async throws {
        try await withMesh { store, administration in
            let made = try await administration.createRoute(
                change {
                    $0.accessGroups = ["office"]
                    $0.metric = 7
                    $0.isAutoApplied = false
                }
            )
            var directory = try await store.directory()
            let route = try #require(directory.routes[RouteID(rawValue: made.id)])
            let gateway = try #require(directory.peers.first { $0.value.label == "a" }?.key)
            let groups = try await administration.groups()
            let office = try #require(groups.first { $0.name == "office" }?.id)
            let gateways = try #require(groups.first { $0.name == "gateways" }?.id)
            let all = try #require(directory.groups.first { $0.value.isAll }?.key)
            let expected = MapCompiler.Route(
                networkID: "net",
                destination: .prefix(IPPrefix("10.1.0.0/16")!),
                routers: .peer(gateway),
                distributionGroups: [all],
                accessGroups: [GroupID(rawValue: office)],
                metric: 7,
                skipAutoApply: true
            )
            #expect(route == expected)

            var update = RouteChange()
            update.routers = .groups(["gateways"])
            update.accessGroups = []
            update.destination = .domains(["*.example.org"])
            update.keepRoute = true
            update.masquerade = false
            _ = try await administration.updateRoute("net", update)
            let serial = directory.serial
            directory = try await store.directory()
            #expect(directory.serial == serial + 1)
            let changed = try #require(directory.routes[RouteID(rawValue: made.id)])
            #expect(changed.destination == .domains(["*.example.org"]) && changed.metric == 7)
            #expect(changed.accessGroups.isEmpty && changed.keepRoute && !changed.masquerade && changed.skipAutoApply)
            #expect(changed.routers == .groups([GroupID(rawValue: gateways)]))

            #expect(try await administration.deleteRoute(made.id).networkID == "net")
            directory = try await store.directory()
            #expect(directory.routes.isEmpty && directory.serial == serial + 2)
        }
    }

    @Test func `what cannot be is refused with its reason, and nothing of it is done`() async throws {
        try await withMesh { store, administration in
            _ = try await administration.createRoute(change())
            let before = try await store.directory()
            let overlay = before.network.v4
            let cases: [(words: String, edit: (inout RouteChange) -> Void)] = [
                ("update that one", { _ in }),
                ("there is no host nobody", { $0.routers = .peer("nobody") }),
                ("there is no group x", { $0.distributionGroups = ["All", "x"] }),
                ("group that gets it", { $0.distributionGroups = [] }),
                ("carries it", { $0.routers = .groups([]) }),
                ("1 to 9999", { $0.metric = 0 }),
                ("network's name", { $0.networkID = nil }),
                ("\(overlay) overlaps the mesh's own network \(overlay)", { $0.destination = .prefix(overlay) }),
            ]
            for (words, edit) in cases {
                let wrong = change(edit)
                let refusal = try await refusal { _ = try await administration.createRoute(wrong) }
                #expect(refusal.contains(words))
                #expect(try await store.directory() == before, "\(refusal)")
            }
            let missing = try await refusal { _ = try await administration.updateRoute("other", RouteChange()) }
            #expect(missing.contains("other"))
        }
    }

    @Test func `routes to one network by different hosts back each other up`() async throws {
        try await withMesh { _, administration in
            _ = try await administration.createRoute(change())
            _ = try await administration.createRoute(change { $0.routers = .peer("b") })
            _ = try await administration.createRoute(change { $0.routers = .groups(["gateways"]) })
            #expect(try await administration.routes().count == 3)
            let ambiguous = try await refusal { _ = try await administration.deleteRoute("net") }
            #expect(ambiguous.contains("name one by its identifier"))
        }
    }

    @Test func `a group stays while something names it, and All always`() async throws {
        try await withMesh { store, administration in
            let route = try await administration.createRoute(change { $0.routers = .groups(["gateways"]) })
            let used = try await refusal { _ = try await administration.deleteGroup("gateways") }
            #expect(used == "group gateways is used by route net (\(route.id)); change these first")
            #expect(try await refusal { _ = try await administration.deleteGroup("All") }.contains("every host"))
            let out = try await refusal { _ = try await administration.setMember("a", ofGroup: "All", to: false) }
            #expect(out.contains("every host"))
            #expect(try await refusal { _ = try await administration.createGroup(name: "office") }.contains("already"))
            #expect(try await refusal { _ = try await administration.createGroup(name: "All") }.contains("already"))
            _ = try await administration.deleteRoute(route.id)
            #expect(try await administration.deleteGroup("gateways").peers == ["a"])
            #expect(try await store.directory().groups.count == 2)
        }
    }

    @Test func `membership raises the serial where it changes`() async throws {
        try await withMesh { store, administration in
            let serial = try await store.directory().serial
            #expect(try await administration.setMember("b", ofGroup: "gateways", to: true).peers == ["a", "b"])
            #expect(try await administration.setMember("b", ofGroup: "gateways", to: true).peers == ["a", "b"])
            #expect(try await store.directory().serial == serial + 1)
            #expect(try await administration.setMember("b", ofGroup: "gateways", to: false).peers == ["a"])
            #expect(try await administration.setMember("b", ofGroup: "gateways", to: false).peers == ["a"])
            #expect(try await store.directory().serial == serial + 2)
        }
    }

    @Test func `the routes of a host go with it, those of its groups stay`() async throws {
        try await withMesh { _, administration in
            _ = try await administration.createRoute(change())
            let kept = try await administration.createRoute(change { $0.routers = .groups(["gateways"]) })
            _ = try await administration.deletePeer("a")
            #expect(try await administration.routes().map(\.id) == [kept.id])
        }
    }

    @Test func `a database of the first version is moved forward with all that is in it`() async throws {
        try await withTemporaryFolder { path in
            let queue = try DatabaseQueue(path: path + "/server.db")
            try migrations().migrate(queue, upTo: "1: accounts, peers, setup keys, groups, policies")
            // As that version wrote them.
            let meta = String(
                decoding: try JSONEncoder().encode(TestPeer(hostname: "a").meta),
                as: UTF8.self
            )
            try await queue.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO account VALUES ('acc', 'old.example', '100.92.0.0/16', 'fd00::/64', 7, 0);
                        INSERT INTO peer VALUES ('p', '\(TestPeer(hostname: "a").publicKey.base64)', '100.92.0.1',
                            NULL, 'a', 'a', '', 0, '\(meta)', 1, 2, 3, 0);
                        INSERT INTO peerGroup VALUES ('all', 'All');
                        INSERT INTO peerGroupMember VALUES ('all', 'p');
                        INSERT INTO setupKey VALUES ('k', 'key', 'h', 'm', 'one-off', 1, NULL, 0, 0, NULL, 1, 0);
                        INSERT INTO policy VALUES ('d', 'Default', 1);
                        INSERT INTO policyRule VALUES ('d', 'd', 0, 1, 'accept', 'tcp', 1, '[{"first":5,"last":9}]');
                        INSERT INTO policyRuleGroup VALUES ('d', 'source', 'all'), ('d', 'destination', 'all');
                        """
                )
            }
            try queue.close()
            #expect(throws: ServerFailure.self) { try Administration(dataDirectory: path) }
            let store = try SQLiteStore.open(
                DataDirectory(path: path),
                mayCreate: false,
                mayUpgrade: true,
                atSeconds: 0
            )
            let directory = try await store.directory()
            #expect(directory.domain == "old.example" && directory.policies.count == 1 && directory.routes.isEmpty)
            #expect(directory.policies.values.flatMap(\.rules).map(\.portRanges) == [[5...9]])
            let peer = try #require(directory.peers.values.first)
            #expect(peer.label == "a" && peer.extraLabels.isEmpty && !peer.isSSHEnabled)
            let keys = try await store.setupKeys()
            #expect(keys.map(\.allowsExtraLabels) == [false] && keys.map(\.updatedAtSeconds) == [nil])
            #expect(try await Administration(dataDirectory: path).routes().isEmpty)
        }
    }

    @Test(arguments: [
        ("10.1.0.0/16", true), ("0.0.0.0/0", true), ("::/0", true), ("2001:db8::/32", true), ("10.1.0.1/32", true),
        ("10.1.0.0", false), ("10.1.0.1/16", false), ("127.0.0.0/8", false), ("224.0.0.0/4", false),
        ("169.254.0.0/16", false), ("0.0.0.0/1", false), ("fe80::/64", false), ("10.1.0.0/33", false), ("", false),
    ])
    func `a prefix is one that agents route`(text: String, isGood: Bool) throws {
        if isGood {
            #expect(try routeDestination(prefix: text) == .prefix(IPPrefix(text)!))
        } else {
            #expect(throws: RouteTextError.self) { try routeDestination(prefix: text) }
        }
    }

    @Test(arguments: [
        (["a.example"], true), (["*.example.org", "_x.example"], true), (["A.example"], true), ([], false),
        (["a..b"], false), (["*"], false), (["a.*.b"], false), (["-a.example"], false), (["bücher.example"], false),
        (["a.example", "A.EXAMPLE"], false), (["a b"], false), ([String](repeating: "a", count: 33), false),
    ])
    func `domains are names that DNS has`(texts: [String], isGood: Bool) throws {
        if isGood {
            #expect(try routeDestination(domains: texts) == .domains(texts.map { $0.lowercased() }))
        } else {
            #expect(throws: RouteTextError.self) { try routeDestination(domains: texts) }
        }
    }
}
