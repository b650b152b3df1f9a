import CNetlink
import NetlinkWire
import TestSupport
import Testing

/// Replies of a real kernel: lines of Tests/Fixtures/netlink with the kind of dump, the message type and the payload.
struct RecordedMessages {
    private var messages: [(kind: String, message: NetlinkMessage)] = []

    init(_ name: String) throws {
        for line in try Fixtures.text(name).split(separator: "\n") {
            let words = line.split(separator: " ")
            try #require(words.count == 3)
            let message = NetlinkMessage(type: try #require(UInt16(words[1])), payload: bytes(String(words[2])))
            messages.append((String(words[0]), message))
        }
    }

    subscript(kind: String) -> [[UInt8]] { messages.filter { $0.kind == kind }.map(\.message.payload) }
    var payloads: [[UInt8]] { messages.map(\.message.payload) }

    func replies(_ kinds: String...) -> [Result<[NetlinkMessage], NetlinkError>] {
        kinds.map { kind in .success(messages.filter { $0.kind == kind }.map(\.message)) }
    }

    /// In the order in which a ruleset is read; each set's elements were recorded as two messages, the second without
    /// any.
    func rulesetReplies(generation: UInt32) throws -> [Result<[NetlinkMessage], NetlinkError>] {
        var payload = AttributeEncoder(header: [0, 0, 0, 0])
        payload.append(Int(NFTA_GEN_ID.rawValue), integer: generation.bigEndian)
        let type = UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(NFT_MSG_NEWGEN.rawValue)
        let generationReply = Result<[NetlinkMessage], NetlinkError>.success([
            NetlinkMessage(type: type, payload: payload.bytes)
        ])
        let elements = messages.filter { $0.kind == "elements" }.map(\.message)
        let sets = stride(from: 0, to: elements.count, by: 2).map { start in
            Result<[NetlinkMessage], NetlinkError>.success(Array(elements[start..<min(start + 2, elements.count)]))
        }
        return [generationReply] + replies("table", "chain", "rule", "set", "object") + sets + [generationReply]
    }
}

extension Fixtures {
    static func text(_ name: String) throws -> String {
        String(decoding: try bytes(root + "/netlink/" + name), as: UTF8.self)
    }
}

/// The same bytes with one to three of them changed, removed, or the rest cut off.
func mutated(_ sample: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
    var bytes = sample
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
        guard let index = bytes.indices.randomElement(using: &generator) else { break }
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes.remove(at: index)
        case 1: bytes.removeSubrange(index...)
        case 2: bytes[index] = UInt8.random(in: .min ... .max, using: &generator)
        default: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
    }
    return bytes
}
