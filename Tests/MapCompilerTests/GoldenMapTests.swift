import MapCompiler
import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

/// Our maps against those of the stock server, for the same account.
struct GoldenMapTests {
    /// Scenarios that need more of the account than a Directory models, and what that is. The issues that bring it move
    /// the name out of this list; `a scenario leaves the list once we can do it` makes sure of that.
    static let notModelled: [String: String] = [
        "21-posture": "posture checks",
        "23-ssh": "protocol netbird-ssh and SSH authorization",
        "30-sso-login-expiration": "the time at which a login ends (the maps are equal save for sessionExpiresAt)",
        "32-sequence-affected-peers": "the SSH server of a peer",
    ]

    static let folders: [String] = {
        do {
            let committed = try Fixtures.folders(under: Fixtures.root + "/golden", holding: "account.json")
            guard let shared = Fixtures.shared else { return committed }
            return try committed + Fixtures.folders(under: shared + "/golden", holding: "account.json")
        } catch {
            fatalError("no golden maps: \(error)")
        }
    }()

    private static func isModelled(_ folder: String) -> Bool {
        notModelled[folder.split(separator: "/").last.map(String.init) ?? ""] == nil
    }

    @Test func `the committed selection is there`() {
        #expect(Self.folders.filter { $0.hasPrefix(Fixtures.root) }.count == 17)
    }

    @Test(arguments: folders.filter(isModelled)) func `every peer's map equals the recorded one`(folder: String) throws
    {
        let account = try GoldenAccount(folder: folder)
        let directory = try account.directory()
        let peers = try account.recordedPeers()
        try #require(!peers.isEmpty)
        for (host, id) in peers {
            let (ours, theirs) = try maps(account, directory, host, id)
            #expect(ours == theirs, "\(folder)/map-\(host)")
        }
    }

    @Test(arguments: folders.filter { !isModelled($0) }) func `a scenario leaves the list once we can do it`(
        folder: String
    ) throws {
        let account = try GoldenAccount(folder: folder)
        let directory: Directory
        do {
            directory = try account.directory()
        } catch is GoldenError {
            return  // Not even its description fits into a Directory.
        }
        let isEqual = try account.recordedPeers().allSatisfy { host, id in
            let (ours, theirs) = try maps(account, directory, host, id)
            return ours == theirs
        }
        #expect(!isEqual, "\(folder) is as recorded: take it out of notModelled")
    }

    private func maps(
        _ account: GoldenAccount,
        _ directory: Directory,
        _ host: String,
        _ id: PeerID
    ) throws -> (ours: Management_SyncResponse, theirs: Management_SyncResponse) {
        let map = try #require(compile(directory, for: id))
        let meta = try #require(directory.peers[id]?.meta)
        let ours = Management_SyncResponse(map: map, services: nil, receiver: meta)
        return try (ours.normalized(), account.recordedMap(of: host).normalized())
    }
}
