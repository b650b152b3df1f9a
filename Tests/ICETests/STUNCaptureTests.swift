import Foundation
import ICE
import MeshModel
import TestSupport
import Testing

/// STUN packets recorded between stock agents: `Tests/Fixtures/stun` holds one of each kind, `../shared` all of them.
@Suite struct STUNCaptureTests {
    struct Packet: Decodable {
        struct Attribute: Decodable { var type: String, hex: String, addr: String? }
        var src: String, dst: String, type: String, txid: String, raw: String
        var attrs: [Attribute]
        var integrity_pwd: String?
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static var files: [URL] {
        let captures = root.deletingLastPathComponent().appending(path: "shared/captures")
        let recorded = ["02-nolazy-p2p", "08-rich"].flatMap { folder in
            ["r1", "r2"].map { captures.appending(path: "\(folder)/stun/\($0).jsonl") }
        }
        return [root.appending(path: "Tests/Fixtures/stun/stock.jsonl")]
            + recorded.filter { FileManager.default.fileExists(atPath: $0.path) }
    }

    @Test(arguments: files)
    func `every recorded packet is read, verified and written again byte for byte`(_ file: URL) throws {
        var checked = 0
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let packet = try JSONDecoder().decode(Packet.self, from: Data(line.utf8))
            let raw = bytes(packet.raw)
            let message = try STUNMessage(datagram: raw)
            #expect(message.transactionID == bytes(packet.txid))
            #expect(
                message.attributes.map { String($0.type, radix: 16) }
                    == packet.attrs.map { String($0.type.dropFirst(2)) }
            )
            #expect(message.attributes.map(\.value) == packet.attrs.map { bytes($0.hex) })
            if let mapped = packet.attrs.first(where: { $0.type == "0x20" })?.addr {
                #expect(message.mappedAddress == Endpoint(mapped))
            }
            guard !message.attributes.isEmpty else { continue }
            #expect(message.hasValidFingerprint)
            if let password = packet.integrity_pwd {
                #expect(message.hasValidIntegrity(key: password))
                checked += 1
            }
            #expect(encodedAgain(message, password: packet.integrity_pwd) == raw)
        }
        #expect(checked > 10)
    }

    private func encodedAgain(_ message: STUNMessage, password: String?) -> [UInt8] {
        let added: Set<STUNAttributeType> = [.messageIntegrity, .fingerprint, .candidatePair]
        let attributes = message.attributes.compactMap { attribute in
            STUNAttributeType(rawValue: attribute.type).map { ($0, attribute.value) }
        }
        return STUNMessage.encode(
            message.kind,
            transactionID: message.transactionID,
            attributes: attributes.filter { !added.contains($0.0) },
            integrityKey: password,
            candidatePair: message.candidatePair.map { "\($0.source):\($0.target)" }
        )
    }
}
