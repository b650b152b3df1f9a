import CNetlink

/// Walks over netlink attributes in place, for replies of megabytes: it keeps positions only, so that nothing is copied and
/// no reference counted. Total: any bytes give attributes or an error, never a trap.
public struct AttributeCursor: Sendable {
    @usableFromInline var position: Int
    @usableFromInline let end: Int

    /// - Parameter range: of attributes only, in the bytes that `next` is given. What lies beyond those is left out.
    @inlinable
    public init(_ range: Range<Int>) {
        position = max(0, range.lowerBound)
        end = range.upperBound
    }

    /// - Parameter bytes: the same each time.
    /// - Returns: `nil` at the end.
    /// - Throws: `DecodeError` if a length does not fit what is left.
    @inlinable
    public mutating func next(in bytes: RawSpan) throws(DecodeError) -> AttributePlace? {
        let left = min(end, bytes.byteCount) - position
        if left <= 0 { return nil }
        guard left >= AttributeEncoder.headerBytes else { throw Self.shortHeader(left) }
        let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt16.self))
        let type = bytes.unsafeLoadUnaligned(fromByteOffset: position + 2, as: UInt16.self)
        guard length >= AttributeEncoder.headerBytes, length <= left else { throw Self.badLength(length, left) }
        let payload = position + AttributeEncoder.headerBytes..<position + length
        position += (length + 3) & ~3
        return AttributePlace(type: Int(type & attributeTypeMask), payload: payload)
    }

    @usableFromInline
    static func shortHeader(_ left: Int) -> DecodeError {
        DecodeError("\(left) bytes left, an attribute header needs \(AttributeEncoder.headerBytes)")
    }

    @usableFromInline
    static func badLength(_ length: Int, _ left: Int) -> DecodeError {
        DecodeError("attribute length \(length), expected \(AttributeEncoder.headerBytes) to \(left)")
    }
}

/// Where one attribute stands in the bytes that it was found in; the readers want the same bytes. They take its name, for
/// the error's path.
public struct AttributePlace: Hashable, Sendable {
    /// Without the flags `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    public let type: Int
    public let payload: Range<Int>

    @inlinable
    init(type: Int, payload: Range<Int>) {
        self.type = type
        self.payload = payload
    }

    /// The attributes inside this one.
    @inlinable public var nested: AttributeCursor { AttributeCursor(payload) }

    /// For a list, whose attributes have no meaningful type: calls `body` with each element and `bytes`; errors name its
    /// index.
    @inlinable
    public func forEachElement(
        _ name: StaticString,
        in bytes: RawSpan,
        _ body: (AttributePlace, RawSpan) throws(DecodeError) -> Void
    ) throws(DecodeError) {
        var cursor = nested
        var index = 0
        do throws(DecodeError) {
            while let element = try cursor.next(in: bytes) {
                try body(element, bytes)
                index += 1
            }
        } catch {
            throw error.inside("\(name)[\(index)]")
        }
    }

    /// In host byte order.
    ///
    /// - Throws: `DecodeError` unless the payload has exactly the size of `T`.
    @inlinable
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString,
        in bytes: RawSpan,
        as type: T.Type = T.self
    ) throws(DecodeError) -> T {
        try check(name, count: MemoryLayout<T>.size)
        return bytes.unsafeLoadUnaligned(fromByteOffset: payload.lowerBound, as: T.self)
    }

    /// - Throws: `DecodeError` unless the payload has exactly `count` bytes.
    @inlinable
    public func check(_ name: StaticString, count: Int) throws(DecodeError) {
        guard payload.count == count else { throw wrongSize(name, count) }
    }

    @usableFromInline
    func wrongSize(_ name: StaticString, _ count: Int) -> DecodeError {
        DecodeError("\(payload.count) bytes, expected \(count)", path: ["\(name)"])
    }

    /// Text up to the first NUL, or the whole payload if there is none.
    ///
    /// - Throws: `DecodeError` if it is not UTF-8.
    public func string(_ name: StaticString, in bytes: RawSpan) throws(DecodeError) -> String {
        var text: [UInt8] = []
        for index in payload {
            let byte = bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            if byte == 0 { break }
            text.append(byte)
        }
        guard let string = String(validating: text, as: UTF8.self) else {
            throw DecodeError("not UTF-8", path: ["\(name)"])
        }
        return string
    }
}

/// `NLA_TYPE_MASK`, which Swift cannot import.
@usableFromInline let attributeTypeMask = ~(UInt16(NLA_F_NESTED) | UInt16(NLA_F_NET_BYTEORDER))
