import MeshModel
import Testing

@testable import WGKernel

struct WGShowTests {
    @Test func `the text for people is that of wg show`() throws {
        let expected = """
            interface: wgm0
              public key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
              private key: (hidden)
              listening port: 51820
              fwmark: 0x77

            peer: AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=
              preshared key: (hidden)
              endpoint: [2001:db8::7]:4242
              allowed ips: 10.0.0.0/8, fd00::/64
              latest handshake: 1 minute, 5 seconds ago
              transfer: 92 B received, 1.50 KiB sent
              persistent keepalive: every 25 seconds

            peer: AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
              allowed ips: (none)

            """
        #expect(WGShow.pretty(try device(), nowSeconds: 1065) == expected)
    }

    @Test func `the dump is that of wg show dump`() throws {
        let own =
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\tAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\t51820\t0x77\n"
        let second = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
        let third =
            "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\tBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\t"
            + "[2001:db8::7]:4242\t10.0.0.0/8,fd00::/64\t1000\t92\t1536\t25\n"
        #expect(WGShow.dump(try device()) == own + second + third)
        let labelled = [own, second, third].map { "wgm0\t" + $0 }.joined()
        #expect(WGShow.dump(try device(), isLabelled: true) == labelled)
    }

    @Test func `an empty device says so`() {
        let empty = DeviceSnapshot(name: "wg0", index: 2)
        #expect(WGShow.pretty(empty, nowSeconds: 0) == "interface: wg0\n")
        #expect(WGShow.dump(empty) == "(none)\t(none)\t0\toff\n")
    }

    @Test func `fields are in the kernel's order`() throws {
        let second = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
        let third = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
        let expected: [WGShow.Field: String] = [
            .listenPort: "51820\n", .fwmark: "0x77\n", .peers: "\(second)\n\(third)\n",
            .endpoints: "\(second)\t(none)\n\(third)\t[2001:db8::7]:4242\n",
            .allowedIPs: "\(second)\t(none)\n\(third)\t10.0.0.0/8 fd00::/64\n",
            .latestHandshakes: "\(second)\t0\n\(third)\t1000\n",
            .transfer: "\(second)\t0\t0\n\(third)\t92\t1536\n",
            .persistentKeepalive: "\(second)\toff\n\(third)\t25\n",
        ]
        for (field, text) in expected { #expect(WGShow.field(field, of: try device()) == text) }
        #expect(WGShow.field(.listenPort, of: try device(), isLabelled: true) == "wgm0\t51820\n")
    }

    @Test func `keys show only where asked for`() throws {
        let hidden = WGShow.pretty(try device(), nowSeconds: 1065)
        let shown = WGShow.pretty(try device(), nowSeconds: 1065, hidesKeys: false)
        for secret in ["yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="] {
            #expect(!hidden.contains(secret) && shown.contains(secret))
        }
    }

    @Test func `a link-local endpoint shows its link`() throws {
        var state = try device()
        state.peers[1].endpoint = Endpoint("[fe80::1]:51820")
        state.peers[1].endpointScope = 4
        let text = WGShow.field(.endpoints, of: state, linkNames: [4: "eth0"])
        #expect(text.contains("[fe80::1%eth0]:51820"))
        #expect(WGShow.field(.endpoints, of: state).contains("[fe80::1%4]:51820"))
    }

    @Test(
        arguments: [
            (1000, 1000, "Now"), (999, 1000, "1 second ago"),
            (1001, 1000, "(System clock wound backward; connection problems may ensue.)"),
            (0, 3_661, "1 hour, 1 minute, 1 second ago"), (0, 31_536_000 * 2 + 86_400, "2 years, 1 day ago"),
            (0, 7_200, "2 hours ago"),
            (.min, .max, "292471208677 years, 195 days, 15 hours, 30 minutes, 7 seconds ago"),
        ] as [(Int64, Int64, String)]
    )
    func `ages`(at: Int64, now: Int64, text: String) { #expect(WGShow.ago(at, nowSeconds: now) == text) }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (1_048_575, "1024.00 KiB"),
            (1_048_576, "1.00 MiB"), (1_073_741_824, "1.00 GiB"), (1_099_511_627_776, "1.00 TiB"),
            (5_557_452_800, "5.18 GiB"), (.max, "16777216.00 TiB"),
        ] as [(UInt64, String)]
    )
    func `sizes`(bytes: UInt64, text: String) { #expect(WGShow.size(bytes) == text) }

    private func device() throws -> DeviceSnapshot {
        func key(_ number: UInt8) throws -> PublicKey {
            try #require(PublicKey(bytes: [UInt8](repeating: number, count: 32)))
        }
        return DeviceSnapshot(
            name: "wgm0",
            index: 5,
            privateKey: PrivateKey(base64: "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="),
            publicKey: try key(1),
            listenPort: 51820,
            fwmark: 0x77,
            peers: [
                PeerSnapshot(publicKey: try key(2)),
                PeerSnapshot(
                    publicKey: try key(3),
                    presharedKey: PresharedKey(bytes: [UInt8](repeating: 7, count: 32)),
                    endpoint: Endpoint("[2001:db8::7]:4242"),
                    allowedIPs: ["10.0.0.0/8", "fd00::/64"].compactMap { IPPrefix($0) },
                    persistentKeepaliveSeconds: 25,
                    latestHandshakeSeconds: 1000,
                    receivedBytes: 92,
                    sentBytes: 1536
                ),
            ]
        )
    }
}
