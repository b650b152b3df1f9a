import MeshModel
import MeshProto
import Testing

@testable import ControlPlane

struct PublicAddressTests {
    @Test func `what is configured wins, then the address it listens on`() throws {
        let listen = try #require(Endpoint("10.0.0.1:33073"))
        let configured = try #require(HostPort("mesh.example:443"))
        let reached = "ipv4:192.168.1.1:33073"
        #expect(PublicAddress(configured: configured, listen: listen).address(localPeer: reached) == configured)
        let own = PublicAddress(configured: nil, listen: listen).address(localPeer: reached)
        #expect(own.description == "10.0.0.1:33073")
    }

    @Test(arguments: [
        ("ipv4:192.168.1.1:33073", "192.168.1.1:33073"), ("ipv6:[fd00::1]:33073", "[fd00::1]:33073"),
        ("ipv6:[::ffff:192.168.1.1]:33073", "192.168.1.1:33073"),
    ])
    func `on all addresses, agents are told the one they reached`(localPeer: String, expected: String) throws {
        for wildcard in ["0.0.0.0:33073", "[::]:33073"] {
            let address = PublicAddress(configured: nil, listen: try #require(Endpoint(wildcard)))
            #expect(address.address(localPeer: localPeer).description == expected)
        }
    }

    @Test(arguments: ["", "in-process:1", "ipv4:", "unix:/run/x"])
    func `there is always an answer`(localPeer: String) throws {
        let address = PublicAddress(configured: nil, listen: try #require(Endpoint("[::]:33073")))
        #expect(address.address(localPeer: localPeer).port == 33073)
        #expect(!address.address(localPeer: localPeer).host.isEmpty)
    }
}
