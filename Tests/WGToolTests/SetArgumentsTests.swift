import MeshModel
import Testing
import WGKernel

@testable import WGTool

struct SetArgumentsTests {
    @Test func `settings of the device come first, then each peer with its own`() throws {
        let files = FakeKeyFiles(contents: ["/key": secretK + "\n", "/none": ""])
        let arguments = [
            "listen-port", "domain", "fwmark", "010", "private-key", "/key",
            "peer", keyP, "endpoint", "known.test:7", "persistent-keepalive", "off", "preshared-key", "/none",
            "allowed-ips", " 10.0.0.0/8 , ::1", "peer", keyQ, "allowed-ips", "", "remove",
        ]
        let first = PeerChange(
            publicKey: publicKey(keyP),
            presharedKey: .clear,
            endpoint: Endpoint("192.0.2.44:7"),
            persistentKeepaliveSeconds: 0,
            replaceAllowedIPs: true,
            addedAllowedIPs: prefixes("10.0.0.0/8", "::1/128")
        )
        let second = PeerChange(publicKey: publicKey(keyQ), replaceAllowedIPs: true)
        let expected = DeviceChange(
            privateKey: PrivateKey(base64: secretK),
            listenPort: 53,
            fwmark: 10,
            peers: [PeerRequest(change: first), PeerRequest(change: second, isRemoval: true)]
        )
        #expect(try parse(arguments, files) == expected)
    }

    @Test(
        arguments: [
            (["peer"], "Invalid argument: peer"), (["fwmark"], "Invalid argument: fwmark"),
            (["remove"], "Invalid argument: remove"), (["PEER", keyP], "Invalid argument: PEER"),
            (["endpoint", "1.2.3.4:5"], "Invalid argument: endpoint"),
            (["peer", keyP, "listen-port", "5"], "Invalid argument: listen-port"),
            (["peer", keyP, "endpoint"], "Invalid argument: endpoint"),
            (["peer", keyP, "remove", "x"], "Invalid argument: x"),
            (["peer", "abc"], "Key is not the correct length or format: `abc'"),
            (["peer", keyP + " "], "Key is not the correct length or format: `\(keyP) '"),
            (["listen-port", ""], "Unable to parse empty port"),
            (["listen-port", "70000x"], "Servname not supported for ai_socktype: `70000x'"),
            (["peer", keyP, "endpoint", ""], "Unable to parse empty endpoint"),
            (["private-key", "/absent"], "fopen: No such file or directory"),
            (["private-key", "/short"], "Invalid length key in key file"),
            (["private-key", "/spaced"], "Found trailing character in key file: `='"),
            (["private-key", "/long"], "Found trailing character in key file: `x'"),
            (["private-key", "/wrong"], "Key is not the correct length or format: `\(secretK.dropLast(2))l='"),
        ]
    )
    func `what cannot be read is named in the words of wg`(arguments: [String], expected: String) {
        let wrong = String(secretK.dropLast(2)) + "l="
        let contents = ["/short": "abc", "/spaced": " " + secretK, "/long": secretK + "\n x", "/wrong": wrong]
        let error = #expect(throws: ValueError.self) { try parse(arguments, FakeKeyFiles(contents: contents)) }
        #expect(error?.message.string == expected)
    }

    @Test func `an empty key file takes the key away`() throws {
        let change = try parse(["private-key", "/none"], FakeKeyFiles(contents: ["/none": ""]))
        #expect(Array(change.operations) == [.setPrivateKey(noPrivateKey)])
    }

    private func parse(_ arguments: [String], _ files: FakeKeyFiles) throws -> DeviceChange {
        try SetArguments.parse(arguments, surroundings: OfflineSurroundings(), files: files)
    }
}
