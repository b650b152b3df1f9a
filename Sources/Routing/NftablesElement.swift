import CNetlink
public import MeshModel
import NetlinkWire

/// One element of a set or map, as the kernel has it.
public struct NftablesElement: Hashable, Sendable {
    public enum Value: Hashable, Sendable {
        case verdict(NftablesVerdict)
        case data([UInt8])
        case object(name: String)
    }

    /// Empty for the element that matches everything no other does (`isCatchAll`).
    public var key: [UInt8] {
        get { keyStorage.bytes }
        set { keyStorage = NftablesKey(newValue) }
    }
    /// The last key of a range in a set of several parts; `nil`: `key` alone.
    public var lastKey: [UInt8]? {
        get { rest.lastKey }
        set { rest.lastKey = newValue }
    }
    /// The first key behind a range, in a set of one part: a range there is two elements.
    public var isIntervalEnd: Bool
    public var isCatchAll: Bool
    /// `nil`: the element of a set.
    public var value: Value? {
        get { rest.value }
        set { rest.value = newValue }
    }
    /// `nil`: it stays.
    public var timeoutMilliseconds: UInt64? {
        get { rest.timeoutMilliseconds }
        set { rest.timeoutMilliseconds = newValue }
    }
    /// What is left of its time; only read. `nil`: it stays.
    public var expiresInMilliseconds: UInt64? {
        get { rest.expiresInMilliseconds }
        set { rest.expiresInMilliseconds = newValue }
    }
    /// Only read; `nil`: the set has no counters.
    public var packets: UInt64? {
        get { rest.packets }
        set { rest.packets = newValue }
    }
    public var bytes: UInt64? {
        get { rest.bytes }
        set { rest.bytes = newValue }
    }
    /// At most 127 bytes; `nil`: none.
    public var comment: String? {
        get { rest.comment }
        set { rest.comment = newValue }
    }

    private(set) var keyStorage: NftablesKey
    /// `nil`: nothing but a key, as most elements are.
    private var restStorage: Box?

    /// Elsewhere, so that an element stays small.
    private indirect enum Box: Hashable, Sendable {
        case rest(Rest)
    }

    /// What most elements have not.
    private struct Rest: Hashable, Sendable {
        var lastKey: [UInt8]?
        var value: Value?
        var timeoutMilliseconds: UInt64?
        var expiresInMilliseconds: UInt64?
        var packets: UInt64?
        var bytes: UInt64?
        var comment: String?

        static let none = Rest()
    }

    private var rest: Rest {
        get {
            guard case .rest(let rest) = restStorage else { return .none }
            return rest
        }
        set { restStorage = newValue == .none ? nil : .rest(newValue) }
    }

    public init(
        _ key: [UInt8],
        through lastKey: [UInt8]? = nil,
        isIntervalEnd: Bool = false,
        isCatchAll: Bool = false,
        value: Value? = nil,
        timeoutMilliseconds: UInt64? = nil,
        comment: String? = nil
    ) {
        keyStorage = NftablesKey(key)
        self.isIntervalEnd = isIntervalEnd
        self.isCatchAll = isCatchAll
        if lastKey == nil, value == nil, timeoutMilliseconds == nil, comment == nil { return }
        rest = Rest(lastKey: lastKey, value: value, timeoutMilliseconds: timeoutMilliseconds, comment: comment)
    }

    /// Of a set of addresses.
    public init(_ address: IPAddress) {
        keyStorage = NftablesKey(address)
        isIntervalEnd = false
        isCatchAll = false
    }

    /// The one or two elements of a range in a set of one part with flag `interval`.
    ///
    /// - Parameter key: big endian, as all ranges are compared.
    public static func range(
        from key: [UInt8],
        through lastKey: [UInt8],
        value: Value? = nil,
        comment: String? = nil
    ) -> [NftablesElement] {
        let start = NftablesElement(key, value: value, comment: comment)
        guard let behind = successor(of: lastKey) else { return [start] }
        return [start, NftablesElement(behind, isIntervalEnd: true)]
    }

    /// The elements of a prefix in a set of addresses with flag `interval`.
    public static func prefix(_ prefix: IPPrefix, value: Value? = nil, comment: String? = nil) -> [NftablesElement] {
        let first = prefix.network.address.bytes
        let last = zip(first, mask(of: prefix)).map { $0 | ~$1 }
        return range(from: first, through: last, value: value, comment: comment)
    }

    private static func mask(of prefix: IPPrefix) -> [UInt8] {
        prefix.address.bytes.indices.map { UInt8(truncatingIfNeeded: 0xff00 >> min(max(prefix.length - $0 * 8, 0), 8)) }
    }

    /// - Returns: `nil` behind the last key.
    static func successor(of key: [UInt8]) -> [UInt8]? {
        var next = key
        for index in next.indices.reversed() {
            next[index] &+= 1
            if next[index] != 0 { return next }
        }
        return nil
    }

    /// - Returns: `nil` before the first key.
    static func predecessor(of key: [UInt8]) -> [UInt8]? {
        var previous = key
        for index in previous.indices.reversed() {
            previous[index] &-= 1
            if previous[index] != 0xff { return previous }
        }
        return nil
    }
}

/// A range of keys in a set of one part, and what it stands for.
public struct NftablesInterval: Hashable, Sendable {
    public var first: [UInt8]
    public var last: [UInt8]
    /// The element that begins it: value, times, comment.
    public var element: NftablesElement

    /// The ranges that the elements of a set with flag `interval` and one part make up, in order.
    public static func join(_ elements: [NftablesElement]) -> [NftablesInterval] {
        // An end comes before the start at the same key: there one range ends and the next begins.
        let ordered = elements.filter { !$0.isCatchAll }.sorted { a, b in
            if a.key != b.key { return a.key.lexicographicallyPrecedes(b.key) }
            return a.isIntervalEnd && !b.isIntervalEnd
        }
        var intervals: [NftablesInterval] = []
        var open: NftablesElement?
        func close(before key: [UInt8]?) {
            guard let start = open else { return }
            let end = key.flatMap(NftablesElement.predecessor) ?? [UInt8](repeating: 0xff, count: start.key.count)
            intervals.append(NftablesInterval(first: start.key, last: end, element: start))
            open = nil
        }
        for element in ordered {
            close(before: element.key)
            if !element.isIntervalEnd { open = element }
        }
        close(before: nil)
        return intervals
    }
}

extension NftablesElement {
    /// Appends one element of `NFTA_SET_ELEM_LIST_ELEMENTS`.
    func append(to list: inout AttributeEncoder) {
        let isPlain = restStorage == nil && !isIntervalEnd && !isCatchAll
        if isPlain, keyStorage.appendElement(to: &list) { return }
        list.nest(Int(NFTA_LIST_ELEM.rawValue)) { element in
            if !isCatchAll {
                element.nest(Int(NFTA_SET_ELEM_KEY.rawValue)) {
                    keyStorage.append(Int(NFTA_DATA_VALUE.rawValue), to: &$0)
                }
            }
            if isPlain { return }
            if let lastKey { element.append(Int(NFTA_SET_ELEM_KEY_END.rawValue), value: lastKey) }
            switch value {
            case nil: break
            case .verdict(let verdict): verdict.append(to: &element, as: Int(NFTA_SET_ELEM_DATA.rawValue))
            case .data(let data): element.append(Int(NFTA_SET_ELEM_DATA.rawValue), value: data)
            case .object(let name): element.append(Int(NFTA_SET_ELEM_OBJREF.rawValue), string: name)
            }
            let flags =
                (isIntervalEnd ? NFT_SET_ELEM_INTERVAL_END.rawValue : 0)
                | (isCatchAll ? NFT_SET_ELEM_CATCHALL.rawValue : 0)
            if flags != 0 { element.append(Int(NFTA_SET_ELEM_FLAGS.rawValue), bigEndian: flags) }
            if let timeoutMilliseconds {
                element.append(Int(NFTA_SET_ELEM_TIMEOUT.rawValue), bigEndian: timeoutMilliseconds)
            }
            if let comment {
                element.append(
                    Int(NFTA_SET_ELEM_USERDATA.rawValue),
                    bytes: NftablesUserData.encode(comment: comment)
                )
            }
        }
    }

    /// The elements in one message of a `NFT_MSG_GETSETELEM` dump.
    ///
    /// - Parameter payload: begins with `struct nfgenmsg`.
    static func decodeList(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> [NftablesElement] {
        guard let (_, attributes) = try NftablesWire.decodeHeader(payload) else { return [] }
        var elements: [NftablesElement] = []
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            guard UInt32(attribute.type) == NFTA_SET_ELEM_LIST_ELEMENTS.rawValue else { return }
            try attribute.forEachElement("NFTA_SET_ELEM_LIST_ELEMENTS") { element throws(DecodeError) in
                elements.append(try decode(element))
            }
        }
        return elements
    }

    private static func decode(_ attributes: ArraySlice<UInt8>) throws(DecodeError) -> NftablesElement {
        var result = NftablesElement([])
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in try result.read(attribute) }
        guard result.isCatchAll || !result.key.isEmpty else {
            throw DecodeError("missing", path: ["NFTA_SET_ELEM_KEY"])
        }
        return result
    }

    private mutating func read(_ attribute: Attribute) throws(DecodeError) {
        switch UInt32(attribute.type) {
        case NFTA_SET_ELEM_KEY.rawValue: key = try NftablesData.decodeValue(attribute, "NFTA_SET_ELEM_KEY")
        case NFTA_SET_ELEM_KEY_END.rawValue:
            lastKey = try NftablesData.decodeValue(attribute, "NFTA_SET_ELEM_KEY_END")
        case NFTA_SET_ELEM_DATA.rawValue:
            switch try NftablesData.decode(attribute, "NFTA_SET_ELEM_DATA") {
            case .value(let bytes): value = .data(Array(bytes))
            case .verdict(let verdict): value = .verdict(verdict)
            }
        case NFTA_SET_ELEM_OBJREF.rawValue: value = .object(name: try attribute.string("NFTA_SET_ELEM_OBJREF"))
        case NFTA_SET_ELEM_FLAGS.rawValue:
            let flags = try attribute.bigEndian("NFTA_SET_ELEM_FLAGS") as UInt32
            isIntervalEnd = flags & NFT_SET_ELEM_INTERVAL_END.rawValue != 0
            isCatchAll = flags & NFT_SET_ELEM_CATCHALL.rawValue != 0
        case NFTA_SET_ELEM_TIMEOUT.rawValue:
            timeoutMilliseconds = try attribute.bigEndian("NFTA_SET_ELEM_TIMEOUT")
        case NFTA_SET_ELEM_EXPIRATION.rawValue:
            expiresInMilliseconds = try attribute.bigEndian("NFTA_SET_ELEM_EXPIRATION")
        case NFTA_SET_ELEM_USERDATA.rawValue: comment = NftablesUserData.decodeComment(attribute.payload)
        case NFTA_SET_ELEM_EXPR.rawValue: try readCounter(attribute)
        default: break
        }
    }

    private mutating func readCounter(_ attribute: Attribute) throws(DecodeError) {
        guard case .counter(let packets, let bytes) = try NftablesExpression.decode(attribute.payload) else { return }
        self.packets = packets
        self.bytes = bytes
    }
}
