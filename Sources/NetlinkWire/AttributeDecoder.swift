import CNetlink

/// Reads netlink attributes one after the other. Total: any bytes give attributes or an error, never a trap.
public struct AttributeDecoder: Sendable {
    private var rest: ArraySlice<UInt8>

    /// - Parameter bytes: attributes only; drop the fixed header first.
    public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// - Returns: `nil` at the end.
    /// - Throws: `DecodeError` if a length does not fit what is left.
    public mutating func next() throws(DecodeError) -> Attribute? {
        if rest.isEmpty { return nil }
        guard let length = rest.integer(at: 0, as: UInt16.self), let type = rest.integer(at: 2, as: UInt16.self) else {
            throw DecodeError("\(rest.count) bytes left, an attribute header needs \(AttributeEncoder.headerBytes)")
        }
        guard Int(length) >= AttributeEncoder.headerBytes, Int(length) <= rest.count else {
            let problem = "attribute length \(length), expected \(AttributeEncoder.headerBytes) to \(rest.count)"
            throw DecodeError(problem)
        }
        let payload = rest.dropFirst(AttributeEncoder.headerBytes).prefix(Int(length) - AttributeEncoder.headerBytes)
        rest = rest.dropFirst(aligned(Int(length)))
        return Attribute(type: Int(type & typeMask), payload: payload)
    }

    /// Calls `body` with every attribute in order.
    public static func forEach(
        _ bytes: ArraySlice<UInt8>,
        _ body: (Attribute) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        var decoder = AttributeDecoder(bytes)
        while let attribute = try decoder.next() { try body(attribute) }
    }
}

/// One attribute. The readers take its name, for the error's path.
public struct Attribute: Hashable, Sendable {
    /// Without the flags `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    public let type: Int
    public let payload: ArraySlice<UInt8>

    /// In host byte order.
    ///
    /// - Throws: `DecodeError` unless the payload has exactly the size of `T`.
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ name: String,
        as type: T.Type = T.self
    ) throws(DecodeError) -> T {
        guard payload.count == MemoryLayout<T>.size, let value = payload.integer(at: 0, as: T.self) else {
            throw DecodeError("\(payload.count) bytes, expected \(MemoryLayout<T>.size)", path: [name])
        }
        return value
    }

    /// - Throws: `DecodeError` unless the payload has exactly `count` bytes.
    public func bytes(_ name: String, count: Int) throws(DecodeError) -> ArraySlice<UInt8> {
        guard payload.count == count else {
            throw DecodeError("\(payload.count) bytes, expected \(count)", path: [name])
        }
        return payload
    }

    /// Text up to the first NUL, or the whole payload if there is none.
    ///
    /// - Throws: `DecodeError` if it is not UTF-8.
    public func string(_ name: String) throws(DecodeError) -> String {
        guard let text = String(validating: payload.prefix { $0 != 0 }, as: UTF8.self) else {
            throw DecodeError("not UTF-8", path: [name])
        }
        return text
    }

    /// Calls `body` with every attribute inside this one.
    public func forEachNested(
        _ name: String,
        _ body: (Attribute) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        do throws(DecodeError) { try AttributeDecoder.forEach(payload, body) } catch { throw error.inside(name) }
    }

    /// For a list, whose attributes have no meaningful type: `body` gets the attributes of one element at a time, and
    /// errors name its index.
    public func forEachElement(
        _ name: String,
        _ body: (ArraySlice<UInt8>) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        var decoder = AttributeDecoder(payload)
        var index = 0
        while true {
            let element: Attribute?
            do throws(DecodeError) { element = try decoder.next() } catch { throw error.inside("\(name)[\(index)]") }
            guard let element else { return }
            do throws(DecodeError) { try body(element.payload) } catch { throw error.inside("\(name)[\(index)]") }
            index += 1
        }
    }
}

/// `NLA_TYPE_MASK`, which Swift cannot import.
private let typeMask = ~(UInt16(NLA_F_NESTED) | UInt16(NLA_F_NET_BYTEORDER))
