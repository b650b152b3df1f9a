/// What the attributes at one level of a message are called, and those inside them.
public indirect enum AttributeNames: Hashable, Sendable {
    /// Nothing is known: attributes are called by number.
    case none
    /// By attribute type.
    case table([Int: Entry])
    /// A list: its elements have these names inside.
    case list(AttributeNames)

    public struct Entry: Hashable, Sendable {
        public var name: String
        public var inside: AttributeNames

        public init(_ name: String, _ inside: AttributeNames = .none) {
            self.name = name
            self.inside = inside
        }
    }
}

/// The way to one byte of a request, from the outside in: `WGDEVICE_A_PEERS[3].WGPEER_A_ENDPOINT`.
///
/// Only what is marked as nested, or known to be, is looked into. Total: any bytes give a path or none.
///
/// - Parameters:
///   - bytes: attributes; the offset counts from their start.
///   - offset: of an attribute's header, or inside its payload.
/// - Returns: `nil` if no attribute is there.
public func attributePath(at offset: Int, in bytes: ArraySlice<UInt8>, names: AttributeNames) -> String? {
    var path = ""
    var level = bytes
    var offset = offset
    var names = names
    while let found = attribute(at: offset, in: level) {
        switch names {
        case .none:
            path += (path.isEmpty ? "" : ".") + "\(found.attribute.type)"
        case .table(let table):
            let entry = table[found.attribute.type] ?? .init("\(found.attribute.type)")
            path += (path.isEmpty ? "" : ".") + entry.name
            names = entry.inside
        case .list(let inside):
            path += "[\(found.index)]"
            names = inside
        }
        offset -= found.offset + AttributeEncoder.headerBytes
        guard offset >= 0, found.isNested || names != .none else { break }
        level = found.attribute.payload
    }
    return path.isEmpty ? nil : path
}

private struct Found {
    var attribute: Attribute
    var index: Int
    /// Of its header, in the level.
    var offset: Int
    var isNested: Bool
}

private func attribute(at offset: Int, in level: ArraySlice<UInt8>) -> Found? {
    var decoder = AttributeDecoder(level)
    var start = 0
    var index = 0
    // A request of ours that does not decode has no path; the kernel's error stands without one.
    while let attribute = try? decoder.next() {
        let end = start + aligned(AttributeEncoder.headerBytes + attribute.payload.count)
        if (start..<end).contains(offset) {
            let isNested = (level.integer(at: start + 2, as: UInt16.self) ?? 0) & nestedFlag != 0
            return Found(attribute: attribute, index: index, offset: start, isNested: isNested)
        }
        start = end
        index += 1
    }
    return nil
}

/// `NLA_F_NESTED`, in the type the header has.
private let nestedFlag: UInt16 = 1 << 15
