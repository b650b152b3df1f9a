import MeshModel
import TestSupport
import Testing
import WGKernel

@testable import WGTool

struct ConfigParserTests {
    @Test func `every key is read, whatever its case and spacing`() throws {
        let text = """
            # a comment
            [ inter FACE ]
            private key = \(secretK)
            LISTENPORT=0051 # another
            FwMark = 0xCA6c

            [Peer]
            AllowedIPs = 10.0.0.0/ 8 , 2001:db8::/32
            allowedips=192.0.2.1
            Endpoint = [ 2001:db8::1 ] : 51820
            PersistentKeepalive = OFF
            PresharedKey = \(secretK)
            PublicKey = \(keyP)
            """
        let peer = PeerChange(
            publicKey: publicKey(keyP),
            presharedKey: PresharedKey(base64: secretK).map { .set($0) },
            endpoint: Endpoint("[2001:db8::1]:51820"),
            persistentKeepaliveSeconds: 0,
            replaceAllowedIPs: true,
            addedAllowedIPs: prefixes("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")
        )
        let expected = DeviceChange(
            privateKey: PrivateKey(base64: secretK),
            listenPort: 51,
            fwmark: 0xca6c,
            peers: [PeerRequest(change: peer)]
        )
        #expect(try parse(text) == expected)
    }

    @Test func `nothing is a configuration that names nothing`() throws {
        #expect(try parse("") == DeviceChange())
        #expect(try parse("\n \t\r\n[Interface]\n#") == DeviceChange())
    }

    @Test func `sections come in any order and number, later lines win`() throws {
        let change = try parse("[Peer]\nPublicKey=\(keyP)\n[Interface]\nFwMark=1\n[interface]\nFwMark=0x2")
        #expect(change.fwmark == 2)
        #expect(change.peers.map(\.change.publicKey) == [publicKey(keyP)])
    }

    @Test func `a section without AllowedIPs empties the peer's list`() throws {
        let change = try parse("[Peer]\nPublicKey=\(keyP)\n")
        #expect(change.peers.first?.change.replaceAllowedIPs == true)
    }

    @Test func `signs make a list a change of what the peer holds`() throws {
        let change = try parse("[Peer]\nPublicKey=\(keyP)\nAllowedIPs=+10.0.0.0/8,-10.1.0.0/16,10.2.0.0/16\n")
        let expected = PeerChange(
            publicKey: publicKey(keyP),
            addedAllowedIPs: prefixes("10.0.0.0/8", "10.2.0.0/16"),
            removedAllowedIPs: prefixes("10.1.0.0/16")
        )
        #expect(change.peers.map(\.change) == [expected])
    }

    @Test func `host bits are cleared with a warning`() throws {
        let surroundings = OfflineSurroundings()
        let text = Array("[Peer]\nPublicKey=\(keyP)\nAllowedIPs=10.1.2.3/8,::1/64,10.1.2.3/024\n".utf8)
        let change = try ConfigParser.parse(text, surroundings: surroundings)
        #expect(change.peers.first?.change.addedAllowedIPs == prefixes("10.0.0.0/8", "::/64", "10.1.2.0/24"))
        #expect(
            surroundings.warnings
                == ["10.1.2.3/8", "::1/64", "10.1.2.3/024"].map { "Warning: AllowedIP has nonzero host part: \($0)" }
        )
    }

    @Test(
        arguments: [
            ("PrivateKey=\(secretK)", "1:1 Line unrecognized: `PrivateKey=\(secretK)'"),
            ("  [Foo]", "1:3 Line unrecognized: `[Foo]'"), ("[Peer]x", "1:1 Line unrecognized: `[Peer]x'"),
            ("[Interface]\nFoo = 1", "2:1 Line unrecognized: `Foo=1'"),
            ("[Interface]\nPrivateKey =", "2:1 Line unrecognized: `PrivateKey='"),
            ("[Interface]\n=5", "2:1 Line unrecognized: `=5'"),
            ("[Interface]\nPublicKey=\(keyP)", "2:1 Line unrecognized: `PublicKey=\(keyP)'"),
            ("[Peer]\nListenPort=5", "2:1 Line unrecognized: `ListenPort=5'"),
            ("[Interface]\nAddress = 10.0.0.1", "2:1 Line unrecognized: `Address=10.0.0.1'"),
            ("[Interface]\nPrivateKey = (none)", "2:14 Key is not the correct length or format: `(none)'"),
            ("[Interface]\nListenPort = x", "2:14 Servname not supported for ai_socktype: `x'"),
            ("[Interface]\nFwMark = 0x", "2:10 Fwmark is neither 0/off nor 0-0xffffffff: `0x'"),
            ("[Interface]\nFwMark = +5", "2:10 Fwmark is neither 0/off nor 0-0xffffffff: `+5'"),
            ("[Interface]\nFwMark = 0x-5", "2:10 Fwmark is neither 0/off nor 0-0xffffffff: `0x-5'"),
            ("[Interface]\nFwMark = 4294967296", "2:10 Fwmark is neither 0/off nor 0-0xffffffff: `4294967296'"),
            (
                "[Peer]\nPersistentKeepalive = 65536",
                "2:23 Persistent keepalive interval is neither 0/off nor 1-65535: `65536'"
            ),
            ("[Peer]\nEndpoint = 1.2.3.4", "2:12 Unable to find port of endpoint: `1.2.3.4'"),
            ("[Peer]\nEndpoint = [::1:5", "2:12 Unable to find matching brace of endpoint: `[::1:5'"),
            ("[Peer]\nEndpoint = [::1]x:5", "2:12 Unable to find port of endpoint: `[::1]x:5'"),
            ("[Peer]\nEndpoint = a b:5", "2:12 Name or service not known: `ab:5'"),
            ("[Peer]\n AllowedIPs = 10.0.0.0/8, 1.2.3", "2:27 Unable to parse IP address: `1.2.3'"),
            ("[Peer]\nAllowedIPs = ,", "2:14 Unable to parse IP address: `'"),
            ("[Peer]\nAllowedIPs = 1.2.3.4 / 33", "2:22 AllowedIP is not in the correct format: `1.2.3.4/33'"),
            ("[Peer]\nAllowedIPs = 1.2.3.4/+4", "2:21 AllowedIP is not in the correct format: `1.2.3.4/+4'"),
            ("[Peer]\nAllowedIPs = +", "2:14 Unable to parse IP address: `+'"),
        ]
    )
    func `a bad line is named with its line and column`(text: String, expected: String) {
        let error = #expect(throws: ConfigError.self) { try parse(text) }
        #expect(error.map { "\($0.line):\($0.column) \($0.message.string)" } == expected)
        #expect(error?.summary == "Configuration parsing error")
    }

    @Test func `a peer without a key is named by its section, after all lines are read`() {
        let error = #expect(throws: ConfigError.self) { try parse("[Interface]\n [Peer]\nAllowedIPs=::/0\n[Peer]\n") }
        #expect(error?.message.string == "A peer is missing a public key")
        #expect(error?.line == 2 && error?.column == 2)
        #expect(error?.summary == "Invalid configuration")
        let earlier = #expect(throws: ConfigError.self) { try parse("[Peer]\nFoo") }
        #expect(earlier?.message.string == "Line unrecognized: `Foo'")
    }

    @Test func `keys of wg-quick are left out only where that is wanted`() throws {
        let text = Array("[Interface]\nAddress = 10.0.0.1/24\nPostUp = ip link # x\nFwMark = 5\n".utf8)
        let change = try ConfigParser.parse(text, surroundings: OfflineSurroundings(), skipsQuickKeys: true)
        #expect(change == DeviceChange(fwmark: 5))
    }

    @Test(arguments: 0..<200)
    func `what is printed reads as the same device`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let device = randomDevice(using: &generator)
        var text = ByteText()
        text.appendConfiguration(of: device) { String($0) }
        let change = try ConfigParser.parse(text.bytes, surroundings: OfflineSurroundings())
        #expect(DeviceSnapshot(name: device.name, configuration: change) == device)
    }

    @Test(arguments: 0..<300)
    func `mutated configurations are read or refused, and a refusal points into the text`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var text = ByteText()
        text.appendConfiguration(of: randomDevice(using: &generator)) { String($0) }
        var bytes = text.bytes
        for _ in 0..<Int.random(in: 1...8, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
            case 1: bytes.remove(at: place)
            default: bytes.insert(contentsOf: bytes.suffix(from: place).prefix(9), at: place)
            }
        }
        do throws(ConfigError) {
            _ = try ConfigParser.parse(bytes, surroundings: OfflineSurroundings())
        } catch {
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            #expect((1...lines.count).contains(error.line))
            #expect((1...lines[error.line - 1].count + 1).contains(error.column))
        }
    }

    @Test(arguments: 0..<200)
    func `a text in pieces reads as the whole, errors included`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var text = ByteText("# comment\n")
        text.appendConfiguration(of: randomDevice(using: &generator)) { String($0) }
        var bytes = text.bytes
        // Half of them get an error.
        let place = Int.random(in: 0..<2 * bytes.count, using: &generator)
        if place < bytes.count { bytes[place] = UInt8.random(in: .min ... .max, using: &generator) }
        let whole = Result { () throws(ConfigError) in
            try ConfigParser.parse(bytes, surroundings: OfflineSurroundings())
        }
        let pieces = Result { () throws(ConfigError) in
            var parser = ConfigParser(surroundings: OfflineSurroundings())
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...50, using: &generator))
                try parser.read(piece.span)
                rest = rest.dropFirst(piece.count)
            }
            return try parser.finish()
        }
        #expect(whole == pieces)
    }

    @Test func `a byte is found wherever it is`() {
        for count in 0..<40 {
            for place in 0..<count {
                var text = [UInt8](repeating: 0x0b, count: count)
                text[place] = 0x0a
                for start in 0..<count {
                    #expect(text.span.firstIndex(of: 0x0a, from: start) == (start <= place ? place : nil))
                }
            }
        }
    }

    private func parse(_ text: String) throws -> DeviceChange {
        try ConfigParser.parse(Array(text.utf8), surroundings: OfflineSurroundings())
    }
}

/// A device as the kernel could hold it: no allowed IP twice, clamped secrets, no handshakes.
func randomDevice(using generator: inout SeededGenerator) -> DeviceSnapshot {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) } }
    func chance() -> Bool { Bool.random(using: &generator) }
    var device = DeviceSnapshot(name: "wg0", index: 0)
    if chance() {
        device.privateKey = PrivateKey(bytes: bytes(32))?.clamped
    }
    if chance() { device.listenPort = UInt16.random(in: .min ... .max, using: &generator) }
    if chance() { device.fwmark = UInt32.random(in: .min ... .max, using: &generator) }
    // Few prefixes, so that peers compete for them.
    var free = (0..<12).compactMap { IPPrefix($0 < 6 ? "10.\($0).0.0/16" : "fd00:\($0)::/\(32 + $0)") }
    free.shuffle(using: &generator)
    for number in 0..<Int.random(in: 0...5, using: &generator) where chance() {
        guard let key = PublicKey(bytes: [UInt8(number)] + [UInt8](repeating: 7, count: 31)) else { continue }
        var peer = PeerSnapshot(publicKey: key)
        if chance() { peer.presharedKey = PresharedKey(bytes: bytes(32)) }
        if chance(), let address = IPAddress(bytes: bytes(chance() ? 4 : 16)) {
            peer.endpoint = Endpoint(address: address, port: UInt16.random(in: .min ... .max, using: &generator))
            if !address.isV4, chance() { peer.endpointScope = UInt32.random(in: 1...9, using: &generator) }
        }
        if chance() { peer.persistentKeepaliveSeconds = UInt16.random(in: .min ... .max, using: &generator) }
        let count = min(Int.random(in: 0...4, using: &generator), free.count)
        peer.allowedIPs = Array(free.suffix(count))
        free.removeLast(count)
        device.peers.append(peer)
    }
    return device
}
