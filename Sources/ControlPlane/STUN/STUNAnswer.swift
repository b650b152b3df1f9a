import MeshModel

/// What a STUN server says to a Binding request: where it came from. Pure, and in place: no packet allocates anything.
///
/// Everything else is met with silence, errors included. Source: spec/wire/stun.md.
enum STUNAnswer {
    /// With an IPv6 address; with IPv4 it is 40. Source: spec/wire/stun.md.
    static let longestBytes = 52

    /// Turns a Binding request into the answer to it.
    ///
    /// - Parameters:
    ///   - datagram: `length` bytes were received; there is room for `longestBytes`.
    ///   - address: 4 or 16 bytes, network order, not v4-mapped.
    ///   - port: host byte order.
    /// - Returns: the bytes of the answer; 0: none.
    static func write(
        over datagram: UnsafeMutableRawBufferPointer,
        length: Int,
        address: UnsafeRawBufferPointer,
        port: UInt16
    ) -> Int {
        precondition(datagram.count >= longestBytes, "no room for an answer in \(datagram.count) bytes")
        guard isBindingRequest(UnsafeRawBufferPointer(rebasing: datagram[..<length])) else { return 0 }
        let attributes = 8 + address.count + 8
        store(UInt16(0x0101), at: 0, in: datagram)
        store(UInt16(attributes), at: 2, in: datagram)
        store(UInt16(0x0020), at: 20, in: datagram)
        store(UInt16(4 + address.count), at: 22, in: datagram)
        store(UInt16(address.count == 4 ? 1 : 2), at: 24, in: datagram)
        store(port ^ 0x2112, at: 26, in: datagram)
        // The key is the cookie and the transaction, which stand in bytes 4 to 19.
        for index in 0..<address.count { datagram[28 + index] = address[index] ^ datagram[4 + index] }
        let end = 28 + address.count
        store(
            crc32(UnsafeRawBufferPointer(rebasing: datagram[..<end]).bytes) ^ fingerprintMask,
            at: end + 4,
            in: datagram
        )
        store(UInt16(0x8028), at: end, in: datagram)
        store(UInt16(4), at: end + 2, in: datagram)
        return end + 8
    }

    /// Cookie, type and attributes that end where the header says; what the attributes hold does not matter, nor what
    /// follows them.
    private static func isBindingRequest(_ datagram: UnsafeRawBufferPointer) -> Bool {
        guard datagram.count >= 20, load(UInt16.self, at: 0, of: datagram) == 0x0001,
            load(UInt32.self, at: 4, of: datagram) == 0x2112_a442
        else { return false }
        let end = 20 + Int(load(UInt16.self, at: 2, of: datagram))
        guard end.isMultiple(of: 4), end <= datagram.count else { return false }
        var offset = 20
        while offset < end {
            // The end is a multiple of 4, and so is the offset: a header fits.
            offset += 4 + (Int(load(UInt16.self, at: offset + 2, of: datagram)) + 3) / 4 * 4
        }
        return offset == end
    }

    /// "STUN" in ASCII. Source: RFC 8489, section 14.7.
    private static let fingerprintMask: UInt32 = 0x5354_554e

    private static func load<I: FixedWidthInteger>(_ type: I.Type, at offset: Int, of bytes: UnsafeRawBufferPointer)
        -> I
    {
        I(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
    }

    private static func store(_ value: some FixedWidthInteger, at offset: Int, in bytes: UnsafeMutableRawBufferPointer)
    {
        bytes.storeBytes(of: value.bigEndian, toByteOffset: offset, as: type(of: value))
    }
}

/// Bounds the answers to one source, so that a forged sender address cannot be flooded through us. Pure, constant memory.
///
/// Sources share a counter where their hashes meet: among 65,536 that is rare, and costs one of them an answer it asks
/// for again.
struct STUNRateLimit: Sendable {
    /// More than the agents behind any NAT ask for; at 68 bytes an answer it is half a megabit each second.
    static let answersPerSecond: UInt16 = 1000

    private var counts = [UInt16](repeating: 0, count: 1 << 16)
    private var second: Int64 = 0

    /// - Parameters:
    ///   - source: hash of the source's address, of all 64 bits, and seeded, so that nobody can choose a neighbour.
    ///   - now: any clock's seconds.
    mutating func admits(source: UInt64, atSecond now: Int64) -> Bool {
        if now != second {
            second = now
            counts.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
        }
        let slot = Int(truncatingIfNeeded: source & 0xffff)
        guard counts[slot] < Self.answersPerSecond else { return false }
        counts[slot] += 1
        return true
    }
}
