/// Integers in the byte order of this machine, as netlink carries them; big endian where a caller says so.
extension [UInt8] {
    @inlinable
    public mutating func appendInteger<Integer: FixedWidthInteger>(_ value: Integer) {
        append(addingCapacity: MemoryLayout<Integer>.size) { $0.appendInteger(value) }
    }
}

extension OutputSpan<UInt8> {
    /// Where there is room; what does not fit ends the process.
    @inlinable
    public mutating func appendInteger(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value) { for byte in $0 { append(byte) } }
    }
}

extension ArraySlice<UInt8> {
    /// - Returns: `nil` if the slice ends before the integer does.
    @inlinable
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type) -> T? {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }
}
