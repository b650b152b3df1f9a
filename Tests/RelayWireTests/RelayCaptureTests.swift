import Foundation
import MeshModel
import RelayWire
import TestSupport
import Testing

/// Relay messages recorded between stock programs: `Tests/Fixtures` holds one of each type, `../shared` all of them.
@Suite struct RelayCaptureTests {
    static var folders: [String] {
        let all = Fixtures.shared.map { shared in
            ["c1", "c2", "server"].map { "\(shared)/captures/03-relayed/\($0)" }
        }
        return [Fixtures.root + "/captures/03-relayed/c1"] + (all ?? [])
    }

    /// Of the run that was recorded.
    struct Keys: Decodable {
        var relay_auth_secret: String
        var pub_to_priv: [String: [String: String]]
    }

    @Test(arguments: folders)
    func `every recorded message is read, written again byte for byte, and names the peers of the run`(
        _ folder: String
    ) throws {
        let keys = try JSONDecoder().decode(
            Keys.self,
            from: Data(Fixtures.bytes(folder + "/../keys.json"))
        )
        let ids = try Set(
            ["c1", "c2"].flatMap { try #require(keys.pub_to_priv[$0]).keys }.map {
                RelayPeerID(try #require(PublicKey(base64: $0)))
            }
        )
        var kinds: Set<RelayFrame.Kind> = []
        for name in try Fixtures.names(in: folder) where name.contains("-relay-") && name.hasSuffix(".bin") {
            let message = try Fixtures.bytes("\(folder)/\(name)")
            let frame = try RelayFrame(message)
            #expect(frame.encode() == message)
            #expect(name.hasSuffix("v1-t\(frame.kind.rawValue).bin"))
            kinds.insert(frame.kind)
            switch frame {
            case .auth(let peer, let token):
                #expect(ids.contains(peer))
                let secret = RelaySecret(text: keys.relay_auth_secret)
                try secret.verify(token, nowSeconds: 1_795_393_726)
                #expect(throws: RelayTokenError.expired) { try secret.verify(token, nowSeconds: 1_895_393_726) }
            case .transport(let peer, let payload):
                #expect(ids.contains(peer))
                // WireGuard's messages begin with their type, 1 to 4, and three zero bytes.
                #expect((1...4).contains(payload.first ?? 0) && payload[1..<4] == [0, 0, 0])
            case .subscribe(let peers), .unsubscribe(let peers), .peersOnline(let peers),
                .peersWentOffline(let peers):
                #expect(!peers.isEmpty && ids.isSuperset(of: peers))
            case .authResponse(let url): #expect(url == "rel://10.99.0.1:8080")
            case .close, .healthCheck: break
            }
        }
        #expect(
            kinds.isSuperset(of: [.transport, .close, .auth, .authResponse, .subscribe, .unsubscribe, .peersOnline])
        )
    }
}
