import Agent
@testable import AgentCore
import MeshModel
import Testing

@Suite struct PeerRequestTests {
    @Test(arguments: [
        ("peer show text b.mesh", "b.mesh", false, false), ("peer why json 100.64.0.2", "100.64.0.2", true, true),
        ("peer why text a%2Fb%3D", "a/b=", true, false),
    ])
    func `a line is read`(line: String, name: String, isWhy: Bool, isJSON: Bool) throws {
        let request = try #require(PeerRequest(line: line.utf8))
        #expect(request.name == name)
        #expect(request.isWhy == isWhy)
        #expect(request.isJSON == isJSON)
        #expect(AgentRequest(line: Array(line.utf8))?.needsRoot == false)
    }

    @Test(arguments: [
        "peer", "peer why text", "peer why text ", "peer why yaml b", "peer how text b", "peer why text b c",
        "peer why text a%zz", "Peer why text b", "peer why text " + String(repeating: "x", count: 256),
    ])
    func `anything else is none`(line: String) {
        #expect(PeerRequest(line: line.utf8) == nil)
    }

    private func status(_ byte: UInt8, _ fqdn: String, _ address: String) throws -> PeerStatus {
        PeerStatus(
            publicKey: Sample.identity(byte).publicKey,
            fqdn: fqdn,
            agentVersion: "",
            allowedIPs: [try #require(IPPrefix(address)), try #require(IPPrefix("10.0.0.0/8"))],
            path: .idle,
            roundTrip: nil,
            observed: nil,
            lastError: nil
        )
    }

    private func peers() throws -> [PeerStatus] {
        [
            try status(1, "web.a.mesh", "100.64.0.1/32"), try status(2, "web.b.mesh", "100.64.0.2/32"),
            try status(3, "db.mesh", "100.64.0.3/32"), try status(4, "db.mesh.mesh", "100.64.0.4/32"),
        ]
    }

    @Test(
        arguments: [
            ("web.a", 1), ("WEB.A.mesh.", 1), ("db.mesh", 3), ("db.mesh.mesh", 4), ("100.64.0.2", 2),
            (Sample.identity(4).publicKey.base64, 4),
        ] as [(String, UInt8)]
    )
    func `a name, an address or a key means one peer`(name: String, byte: UInt8) throws {
        #expect(try peer(named: name, among: peers()).publicKey == Sample.identity(byte).publicKey)
    }

    @Test(arguments: [
        ("web", "\"web\" is 2 peers: web.a.mesh (100.64.0.1), web.b.mesh (100.64.0.2); give a whole name"),
        ("we", "no peer is called \"we\""), ("", "no peer is called"), (".", "no peer is called"),
        ("10.0.0.0", "no peer has the overlay address 10.0.0.0"), ("100.64.0.9", "no peer has the overlay address"),
        (Sample.identity(9).publicKey.base64, "no peer of the map has the public key"),
    ])
    func `none or several are an error that says which`(name: String, text: String) throws {
        let peers = try peers()
        let failure = #expect(throws: AgentFailure.self) { try peer(named: name, among: peers) }
        #expect(failure?.status == .failure)
        #expect(failure?.description.hasPrefix(text) == true, "\(failure?.description ?? "")")
    }
}
