import MeshModel
import Testing
import WGKernel

@testable import WGTool

struct DeviceFieldTests {
    @Test(
        arguments: [
            (.publicKey, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"), (.privateKey, "\(secretK)\n"),
            (.listenPort, "51820\n"), (.fwmark, "0x77\n"), (.peers, "\(keyP)\n\(keyQ)\n"),
            (.presharedKeys, "\(keyP)\t(none)\n\(keyQ)\t\(secretK)\n"),
            (.endpoints, "\(keyP)\t(none)\n\(keyQ)\t[fe80::1%lo]:4242\n"),
            (.allowedIPs, "\(keyP)\t(none)\n\(keyQ)\t10.0.0.0/8 fd00::/64\n"),
            (.latestHandshakes, "\(keyP)\t0\n\(keyQ)\t1000\n"), (.transfer, "\(keyP)\t0\t0\n\(keyQ)\t92\t1536\n"),
            (.persistentKeepalive, "\(keyP)\toff\n\(keyQ)\t25\n"),
            (
                .dump,
                "\(secretK)\tAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\t51820\t0x77\n"
                    + "\(keyP)\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
                    + "\(keyQ)\t\(secretK)\t[fe80::1%lo]:4242\t10.0.0.0/8,fd00::/64\t1000\t92\t1536\t25\n"
            ),
        ] as [(DeviceField, String)]
    )
    func `a field prints as wg prints it`(field: DeviceField, expected: String) {
        #expect(text(field, of: sampleDevice()) == expected)
        let lines = expected.split(separator: "\n").map { "wgm0\t\($0)\n" }
        // wg names the interface once only for endpoints.
        let labelled = field == .endpoints ? "wgm0\t" + expected : lines.joined()
        #expect(text(field, of: sampleDevice(), withName: true) == labelled)
    }

    @Test func `an empty device says so`() {
        let empty = DeviceSnapshot(name: "wg0", index: 2)
        #expect(text(.dump, of: empty) == "(none)\t(none)\t0\toff\n")
        #expect(text(.peers, of: empty).isEmpty)
    }

    @Test(
        arguments: [
            ("fe80::1", 1, "[fe80::1%lo]:7"), ("fe80::1", 9, "[fe80::1%9]:7"), ("ff02::5", 1, "[ff02::5%lo]:7"),
            ("ff05::5", 1, "[ff05::5%1]:7"), ("2001:db8::1", 1, "[2001:db8::1%1]:7"), ("fe80::1", 0, "[fe80::1]:7"),
            ("192.0.2.1", 1, "192.0.2.1:7"), ("::1.2.3.4", 0, "[::1.2.3.4]:7"),
            ("::ffff:1.2.3.4", 0, "[::ffff:1.2.3.4]:7"),
            ("::1:0", 0, "[::0.1.0.0]:7"), ("::1", 0, "[::1]:7"), ("::", 0, "[::]:7"),
        ] as [(String, UInt32, String)]
    )
    func `endpoints print as getnameinfo prints them`(address: String, scope: UInt32, expected: String) throws {
        var peer = PeerSnapshot(publicKey: publicKey(keyP))
        peer.endpoint = Endpoint(address: try #require(IPAddress(address)), port: 7)
        peer.endpointScope = scope
        var text = ByteText()
        text.appendEndpoint(of: peer) { $0 == 1 ? "lo" : nil }
        #expect(text.string == expected)
    }

    @Test func `JSON has the shape of wg-json`() {
        let member = JSONValue.device(sampleDevice(), hidesKeys: true) { _ in "lo" }
        #expect(
            JSONValue.object([member]).text == """
                {"wgm0":{"privateKey":"(hidden)","publicKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",\
                "listenPort":51820,"fwmark":119,"peers":{"\(keyP)":{"transferRx":0,"transferTx":0,"allowedIps":[]},\
                "\(keyQ)":{"presharedKey":"(hidden)","endpoint":"[fe80::1%lo]:4242","latestHandshake":1000,\
                "transferRx":92,"transferTx":1536,"persistentKeepalive":25,"allowedIps":["10.0.0.0/8","fd00::/64"]}}}}
                """
        )
        let port = JSONValue.device(sampleDevice(), field: .listenPort, hidesKeys: false) { _ in nil }
        #expect(JSONValue.object([port]).text == #"{"wgm0":{"listenPort":51820}}"#)
        #expect(JSONValue.string("a\"\\\u{1}\n").text == #""a\"\\\u0001\u000a""#)
    }

    private func text(_ field: DeviceField, of device: DeviceSnapshot, withName: Bool = false) -> String {
        var text = ByteText()
        text.append(field, of: device, withName: withName) { $0 == 1 ? "lo" : nil }
        return text.string
    }
}
