import MeshModel
import Testing
import WGKernel

@testable import WGTool

struct ShowTextTests {
    @Test func `the text for people is that of wg show`() {
        let expected = """
            interface: wgm0
              public key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
              private key: (hidden)
              listening port: 51820
              fwmark: 0x77

            peer: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
              preshared key: (hidden)
              endpoint: [fe80::1%lo]:4242
              allowed ips: 10.0.0.0/8, fd00::/64
              latest handshake: 1 minute, 5 seconds ago
              transfer: 92 B received, 1.50 KiB sent
              persistent keepalive: every 25 seconds

            peer: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
              allowed ips: (none)

            """
        #expect(show(sampleDevice(), ShowStyle()) == expected)
    }

    @Test func `colours stand where wg puts them`() {
        var device = sampleDevice()
        device.peers[1].latestHandshakeSeconds = 2000
        let escaped = show(device, ShowStyle(isColored: true)).replacing("\u{1b}", with: "^")
        let expected = """
            ^[0m^[32m^[1minterface^[0m: ^[32mwgm0^[0m
              ^[1mpublic key^[0m: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
              ^[1mprivate key^[0m: (hidden)
              ^[1mlistening port^[0m: 51820
              ^[1mfwmark^[0m: 0x77

            ^[33m^[1mpeer^[0m: ^[33mTrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=^[0m
              ^[1mpreshared key^[0m: (hidden)
              ^[1mendpoint^[0m: [fe80::1%lo]:4242
              ^[1mallowed ips^[0m: 10.0.0.0^[36m/^[0m8, fd00::^[36m/^[0m64
              ^[1mlatest handshake^[0m: (^[31mSystem clock wound backward; connection problems may ensue.^[0m)
              ^[1mtransfer^[0m: 92 ^[36mB^[0m received, 1.50 ^[36mKiB^[0m sent
              ^[1mpersistent keepalive^[0m: every 25 ^[36mseconds^[0m

            ^[33m^[1mpeer^[0m: ^[33mxTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=^[0m
              ^[1mallowed ips^[0m: (none)

            """
        #expect(escaped == expected)
    }

    @Test func `keys show only where asked for`() {
        let shown = show(sampleDevice(), ShowStyle(hidesKeys: false))
        #expect(shown.contains("  private key: \(secretK)\n") && shown.contains("  preshared key: \(secretK)\n"))
        #expect(!show(sampleDevice(), ShowStyle()).contains(secretK))
    }

    @Test(arguments: [("always", false, true), ("never", true, false), ("auto", true, true), ("", false, false)])
    func `the environment chooses colours`(mode: String, isTerminal: Bool, isColored: Bool) {
        #expect(ShowStyle(colorMode: mode, hideKeys: nil, isTerminal: isTerminal).isColored == isColored)
    }

    @Test(
        arguments: [
            (1065, "Now"), (1064, "1 second ago"), (0, ""), (1, "17 minutes, 44 seconds ago"),
            (1065 - 31_536_000 * 2 - 86_400, "2 years, 1 day ago"), (1065 - 7_200, "2 hours ago"),
        ] as [(Int64, String)]
    )
    func `ages`(at: Int64, text: String) {
        var device = sampleDevice()
        device.peers[1].latestHandshakeSeconds = at
        let line = show(device, ShowStyle()).split(separator: "\n").first { $0.hasPrefix("  latest handshake: ") }
        #expect(line.map { String($0.dropFirst(20)) } ?? "" == text)
    }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (1_048_575, "1024.00 KiB"),
            (1_048_576, "1.00 MiB"), (12_345_678, "11.77 MiB"), (1_099_511_627_776, "1.00 TiB"),
            (5_557_452_800, "5.18 GiB"), (.max, "16777216.00 TiB"), (1024 + 128, "1.12 KiB"), (1024 + 384, "1.38 KiB"),
            (9_007_199_254_740_993, "8192.00 TiB"),
        ] as [(UInt64, String)]
    )
    func `sizes round as printf does, half to even`(bytes: UInt64, text: String) {
        let (amount, unit) = sizeParts(bytes)
        #expect("\(amount) \(unit)" == text)
    }

    @Test func `newest handshakes come first, equals in the kernel's order`() throws {
        let peers = try [
            (1, 5, 0), (2, 5, 9), (3, 0, 0), (4, 5, 0), (5, 0, 0), (6, 7, 0),
        ].map { number, seconds, nanos in
            let key = try #require(PublicKey(bytes: [UInt8](repeating: UInt8(number), count: 32)))
            return PeerSnapshot(
                publicKey: key,
                latestHandshakeSeconds: Int64(seconds),
                latestHandshakeNanoseconds: Int64(nanos)
            )
        }
        #expect(newestHandshakeFirst(peers).map(\.publicKey.bytes[0]) == [6, 2, 1, 4, 3, 5])
    }

    private func show(_ device: DeviceSnapshot, _ style: ShowStyle) -> String {
        var page = ShowText(style: style, nowSeconds: 1065) { $0 == 1 ? "lo" : nil }
        page.append(device)
        return page.text.string
    }
}

/// Two peers; only the second has everything.
func sampleDevice() -> DeviceSnapshot {
    DeviceSnapshot(
        name: "wgm0",
        index: 5,
        privateKey: PrivateKey(base64: secretK),
        publicKey: PublicKey(bytes: [UInt8](repeating: 1, count: 32)),
        listenPort: 51820,
        fwmark: 0x77,
        peers: [
            PeerSnapshot(publicKey: publicKey(keyP)),
            PeerSnapshot(
                publicKey: publicKey(keyQ),
                presharedKey: PresharedKey(base64: secretK),
                endpoint: Endpoint("[fe80::1]:4242"),
                endpointScope: 1,
                allowedIPs: prefixes("10.0.0.0/8", "fd00::/64"),
                persistentKeepaliveSeconds: 25,
                latestHandshakeSeconds: 1000,
                receivedBytes: 92,
                sentBytes: 1536
            ),
        ]
    )
}
