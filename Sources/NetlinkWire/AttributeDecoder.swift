/// Reads netlink attributes one after the other, each with its bytes. Total: any bytes give attributes or an error, never a
/// trap. `AttributeCursor` does the same in place.
public struct AttributeDecoder: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var cursor: AttributeCursor

    /// - Parameter bytes: attributes only; drop the fixed header first.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        cursor = AttributeCursor(0..<bytes.count)
    }

    /// - Returns: `nil` at the end.
    /// - Throws: `DecodeError` if a length does not fit what is left.
    public mutating func next() throws(DecodeError) -> Attribute? {
        let bytes = bytes
        guard let place = try cursor.next(in: bytes.span.bytes) else { return nil }
        let start = bytes.startIndex
        let payload = bytes[start + place.payload.lowerBound..<start + place.payload.upperBound]
        return Attribute(type: place.type, payload: payload)
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
