import MeshModel
import TestSupport
import Testing
import WGKernel

@testable import WGTool

/// What is left on the heap of keys that were read from text, or written as text.
@Suite(.enabled(if: SecretHunt.knowsTheHeap, "the address sanitizer has a heap of its own"))
struct SecretTextTests {
    /// 32 random bytes, and their base64.
    private let secret = SecretHunt(randomBytes: 32)
    private let text: SecretHunt

    init() throws {
        let key = try #require(secret.withBytes { PresharedKey(bytes: $0) })
        text = SecretHunt(count: 44) { key.append(base64To: &$0) }
    }

    @Test(arguments: [1, 7, 100, 10_000]) func `a configuration leaves its keys in the change alone`(
        pieceBytes: Int
    ) throws {
        var parser: ConfigParser? = ConfigParser(surroundings: OfflineSurroundings())
        var room = WipedBytes()
        let lines = ["[Interface]\n", "PrivateKey = ", "\n[Peer]\nPublicKey = \(keyP)\n", "PresharedKey=", "\n"]
        for line in lines {
            room.append(Array(line.utf8).span)
            if line.hasSuffix("= ") || line.hasSuffix("=") { appendText(to: room) }
        }
        #expect(text.placesOnHeap() > 0)
        for start in stride(from: 0, to: room.array.count, by: pieceBytes) {
            let piece = room.array
            try parser?.read(piece.span.extracting(start..<min(start + pieceBytes, piece.count)))
        }
        room = WipedBytes()
        var change = try parser?.finish()
        parser = nil
        #expect(change?.privateKey != nil && change?.peers.count == 1)
        #expect(text.placesOnHeap() == 0)
        #expect(secret.placesOnHeap() == 2)
        change = nil
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `a configuration that is refused leaves nothing`() throws {
        do {
            var parser = ConfigParser(surroundings: OfflineSurroundings())
            let room = WipedBytes()
            room.append(Array("[Peer]\nPresharedKey = ".utf8).span)
            appendText(to: room)
            room.append(Array("\nAllowedIPs = nonsense\n".utf8).span)
            let all = room.array
            var error: ConfigError?
            do throws(ConfigError) { try parser.read(all.span) } catch let refusal { error = refusal }
            #expect(error?.line == 3)
        }
        #expect(text.placesOnHeap() == 0)
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `a device as text leaves nothing once the text is wiped`() throws {
        var device: DeviceSnapshot? = try device()
        var style = ShowStyle()
        style.hidesKeys = false
        func check(_ name: String, _ write: (inout ByteText, DeviceSnapshot) -> Void) {
            var page = ByteText()
            if let device { write(&page, device) }
            let shown = text.placesOnHeap()
            page.wipe()
            #expect(shown > 0, "\(name) does not show keys")
            #expect(text.placesOnHeap() == 0, "\(name) leaves keys")
            #expect(page.bytes.isEmpty)
        }
        check("showconf") { $0.appendConfiguration(of: $1) { _ in nil } }
        check("JSON") { $0.append(JSONValue.object([JSONValue.device($1, hidesKeys: false, linkNames: { _ in nil })])) }
        for field in [DeviceField.dump, .privateKey, .presharedKeys] {
            check("show \(field.rawValue)") { $0.append(field, of: $1, withName: true) { _ in nil } }
        }
        var page = ShowText(style: style, nowSeconds: 0) { _ in nil }
        if let device { page.append(device) }
        #expect(text.placesOnHeap() > 0)
        page.wipe()
        #expect(text.placesOnHeap() == 0)
        device = nil
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `what hides keys makes no text of them`() throws {
        let device = try device()
        var page = ShowText(style: ShowStyle(), nowSeconds: 0) { _ in nil }
        page.append(device)
        let json = JSONValue.object([JSONValue.device(device, hidesKeys: true, linkNames: { _ in nil })]).text
        #expect(page.text.string.contains("(hidden)") && json.contains("(hidden)"))
        #expect(text.placesOnHeap() == 0)
    }

    /// Peers enough for a text that grows several times.
    private func device() throws -> DeviceSnapshot {
        let peers = try (0..<50 as Range<UInt8>).map { number in
            let key = try #require(PublicKey(bytes: [UInt8](repeating: number, count: 32)))
            return PeerSnapshot(publicKey: key, presharedKey: secret.withBytes { PresharedKey(bytes: $0) })
        }
        let key = secret.withBytes { PrivateKey(bytes: $0) }
        return DeviceSnapshot(name: "wg0", index: 1, privateKey: key, peers: peers)
    }

    private func appendText(to room: WipedBytes) {
        text.withBytes { text in
            text.withUnsafeBytes { room.append(Span(_unsafeElements: $0.assumingMemoryBound(to: UInt8.self))) }
        }
    }
}
