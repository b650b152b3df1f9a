import Foundation
import MeshModel
import MeshProto
import RelayWire
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct AdvertisedServicesTests {
    static let secret = RelaySecret(text: "a secret")

    @Test func `agents are told of our own services where they reached us`() throws {
        let services = try services(stun: .own(port: 3478), relay: .own(Self.secret))
            .configuration(localPeer: "ipv6:[fd00::1]:33073", nowSeconds: 1_700_000_000)
        #expect(services.signal?.address.description == "[fd00::1]:33073")
        #expect(services.stunServers.map(\.description) == ["[fd00::1]:3478"])
        let relay = try #require(services.relay)
        #expect(relay.urls == ["rels://[fd00::1]:33073"])
        let token = try #require(RelayToken(payload: relay.tokenPayload, signatureBase64: relay.tokenSignature))
        #expect(token.expirySeconds == Int64(1_700_043_200))
        try Self.secret.verify(token.wire, nowSeconds: 1_700_000_000 + 12 * 3600)
    }

    @Test func `services named elsewhere take the place of ours, and none is none`() throws {
        let stun = try #require(HostPort("stun.example:3478"))
        let others = try services(stun: .external([stun]), relay: .external(urls: ["rel://r.example:80"], Self.secret))
            .configuration(localPeer: "ipv4:10.0.0.1:33073", nowSeconds: 1_700_000_000)
        #expect(others.stunServers == [stun])
        #expect(others.relay?.urls == ["rel://r.example:80"])
        let none = try services(stun: .none, relay: .none)
        #expect(none.configuration(localPeer: "", nowSeconds: 1_700_000_000).relay == nil)
        #expect(none.configuration(localPeer: "", nowSeconds: 1_700_000_000).stunServers.isEmpty)
        #expect(!none.needsRenewal)
    }

    @Test func `a renewal names the relay and a newer token, and nothing else`() throws {
        let services = try services(stun: .own(port: 3478), relay: .own(Self.secret))
        let renewal = services.renewal(localPeer: "ipv4:10.0.0.1:33073", nowSeconds: 1_700_000_100)
        #expect(renewal.signal == nil && renewal.stunServers.isEmpty)
        #expect(renewal.relay?.tokenPayload == "\(1_700_000_100 + 12 * 3600)")
        #expect(AdvertisedServices.renewalInterval == .seconds(9 * 3600))
    }

    @Test func `a stream brings new relay tokens while it lasts, without a map`() async throws {
        try await TestMesh.serve(tokenRenewalInterval: .milliseconds(50)) { mesh in
            let peer = try await mesh.join("a", setupKey: try await mesh.setupKey())
            try await mesh.following(peer) { stream in
                var renewals = 0
                while renewals < 3 {
                    let response = try await stream.response()
                    guard !response.hasNetworkMap else { continue }
                    renewals += 1
                    let services = try #require(try SyncUpdate(wire: response).services)
                    #expect(services.relay?.urls == ["rel://\(mesh.endpoint)"])
                    #expect(services.signal == nil)
                }
            }
        }
    }

    @Test func `the secret is made once, for its owner only, and an empty file is refused`() async throws {
        try await withTemporaryFolder { folder in
            let directory = try DataDirectory(path: folder)
            let token = try directory.relaySecret().token(expirySeconds: 1_893_456_000)
            #expect(try directory.relaySecret().token(expirySeconds: 1_893_456_000) == token)
            let path = folder + "/relay.secret"
            #expect(try permissions(of: path) == 0o600)
            try overwrite(path, with: "\n")
            let failure = #expect(throws: ServerFailure.self) { try directory.relaySecret() }
            #expect(failure?.status == .stateDamaged && failure?.description.contains(path) == true)
        }
    }

    private func services(
        stun: AdvertisedServices.STUN,
        relay: AdvertisedServices.Relay
    ) throws -> AdvertisedServices {
        AdvertisedServices(
            publicAddress: PublicAddress(configured: nil, listen: try #require(Endpoint("[::]:33073"))),
            usesTLS: true,
            stun: stun,
            relay: relay
        )
    }
}

private func permissions(of path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

private func overwrite(_ path: String, with text: String) throws {
    try text.write(toFile: path, atomically: false, encoding: .utf8)
}
