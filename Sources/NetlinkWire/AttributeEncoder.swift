import CNetlink

/// Writes netlink attributes (`struct nlattr`): lengths, nesting and padding to 4 bytes.
///
/// Attributes hold at most 65,531 bytes. Callers bound what they write (names by `isValidLinkName`, peers by
/// `DeviceOperation.encode`), so a larger one is our own bug and ends the process.
public struct AttributeEncoder: Sendable {
    @inlinable public var bytes: [UInt8] { storage }
    @usableFromInline var storage: [UInt8]

    /// - Parameters:
    ///   - header: what stands before the attributes, such as `struct ifinfomsg`.
    ///   - expectedBytes: room for that many bytes of attributes is made at once.
    public init(header: [UInt8] = [], expectedBytes: Int = 128) {
        storage = []
        storage.reserveCapacity(header.count + expectedBytes)
        storage += header
        pad()
    }

    @inlinable
    public mutating func append(_ type: Int, bytes payload: some Collection<UInt8>) {
        appendHeader(type, payloadBytes: payload.count)
        storage.append(contentsOf: payload)
        pad()
    }

    /// In host byte order.
    @inlinable
    public mutating func append<Integer: FixedWidthInteger>(_ type: Int, integer value: Integer) {
        let size = MemoryLayout<Integer>.size
        let length = Self.headerBytes + size
        storage.append(addingCapacity: length + 3) { attribute in
            attribute.appendInteger(UInt16(length))
            attribute.appendInteger(UInt16(type))
            attribute.appendInteger(value)
            for _ in 0..<(4 - size & 3) & 3 { attribute.append(0) }
        }
    }

    /// For payloads that need no array of their own: `body` appends exactly `count` bytes.
    @inlinable
    public mutating func append(_ type: Int, count: Int, _ body: (inout [UInt8]) -> Void) {
        appendHeader(type, payloadBytes: count)
        let end = storage.count + count
        body(&storage)
        precondition(storage.count == end, "attribute \(type) has \(storage.count - end) bytes more than announced")
        pad()
    }

    /// Whole attributes, written by hand in one step: `body` appends exactly `count` bytes, padding included. For what is
    /// appended many thousand times.
    @inlinable
    public mutating func append(rawBytes count: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        let end = storage.count + count
        storage.append(addingCapacity: count, initializingWith: body)
        precondition(storage.count == end && count & 3 == 0, "\(storage.count - end) bytes more than announced")
    }

    /// Bytes so far.
    @inlinable public var count: Int { storage.count }

    /// Overwrites what it holds, which then is zeros.
    public mutating func wipe() { storage.withUnsafeMutableBytes { CNetlink_wipe($0.baseAddress, $0.count) } }

    /// With the NUL that the kernel wants (`NLA_NUL_STRING`).
    public mutating func append(_ type: Int, string value: String) { append(type, bytes: Array(value.utf8) + [0]) }

    /// Attributes that were encoded before, with their padding.
    public mutating func append(encoded attributes: [UInt8]) { storage += attributes }

    /// An attribute whose payload is the attributes that `body` appends.
    @inlinable
    public mutating func nest(_ type: Int, _ body: (inout AttributeEncoder) -> Void) {
        let start = open(type)
        body(&self)
        close(start)
    }

    /// Starts a nested attribute; `close` ends it. For nests that end where a byte budget does.
    public mutating func open(_ type: Int) -> Int {
        let start = storage.count
        storage.append(addingCapacity: Self.headerBytes) { attribute in
            attribute.appendInteger(UInt16(0))
            attribute.appendInteger(UInt16(type) | UInt16(NLA_F_NESTED))
        }
        return start
    }

    public mutating func close(_ start: Int) {
        let length = storage.count - start
        precondition(length <= Int(UInt16.max), "nested attribute of \(length) bytes")
        // In the byte order of this machine, as `appendInteger` writes it.
        withUnsafeBytes(of: UInt16(length)) { header in
            storage[start] = header[0]
            storage[start + 1] = header[1]
        }
    }

    @usableFromInline
    mutating func appendHeader(_ type: Int, payloadBytes: Int) {
        let length = Self.headerBytes + payloadBytes
        precondition(length <= Int(UInt16.max), "attribute \(type) of \(payloadBytes) bytes")
        storage.append(addingCapacity: Self.headerBytes) { attribute in
            attribute.appendInteger(UInt16(length))
            attribute.appendInteger(UInt16(type))
        }
    }

    @usableFromInline
    mutating func pad() {
        while storage.count & 3 != 0 { storage.append(0) }
    }

    /// `NLA_HDRLEN`.
    public static let headerBytes = 4
}
