package import MeshModel

/// Why no address or name can be given.
package enum AllocationError: Error, Hashable, Sendable, CustomStringConvertible {
    case networkFull(IPPrefix)
    case emptyHostname
    case labelTaken(String)

    package var description: String {
        switch self {
        case .networkFull(let network): "every address of \(network) is taken"
        case .emptyHostname: "a peer without a host name cannot be named"
        case .labelTaken(let label): "the name \(label) is taken"
        }
    }
}

extension OverlayNetwork {
    /// Networks for a new account: one of the 64 /16 of 100.64.0.0/10, and a /64 of fd00::/8 with 56 random bits.
    ///
    /// Source: spec/server/domain-model.md 2, RFC 4193.
    package init(using generator: inout some RandomNumberGenerator) {
        let second = 64 + UInt8(generator.next(upperBound: 64 as UInt32))
        let random = (0..<7).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        guard let v4 = IPAddress(bytes: [100, second, 0, 0]).flatMap({ IPPrefix(address: $0, length: 16) }),
            let v6 = IPAddress(bytes: [0xfd] + random + Array(repeating: 0, count: 8))
                .flatMap({ IPPrefix(address: $0, length: 64) })
        else { preconditionFailure("4 and 16 bytes are addresses") }
        self.init(v4: v4, v6: v6)
    }

    /// A free IPv4 address, neither the network's own nor its broadcast address.
    ///
    /// A few random ones are tried first; then the network is searched from a random place, so that this fails only
    /// when every address is taken.
    package func allocateV4(
        taken: Set<IPAddress>,
        using generator: inout some RandomNumberGenerator
    ) throws(AllocationError) -> IPAddress {
        let hostBits = 32 - v4.length
        guard hostBits >= 2 else { throw .networkFull(v4) }
        let hostCount = (UInt64(1) << UInt64(hostBits)) - 2
        for _ in 0..<randomAttempts {
            let candidate = v4.host(1 + generator.next(upperBound: hostCount))
            if !taken.contains(candidate) { return candidate }
        }
        let start = generator.next(upperBound: hostCount)
        // At most one step for each taken address: one of `taken.count + 1` different ones is free.
        for step in 0..<min(hostCount, UInt64(taken.count) + 1) {
            let candidate = v4.host(1 + (start + step) % hostCount)
            if !taken.contains(candidate) { return candidate }
        }
        throw .networkFull(v4)
    }

    /// A free IPv6 address with a random interface identifier, neither all zeros nor all ones.
    package func allocateV6(
        taken: Set<IPAddress>,
        using generator: inout some RandomNumberGenerator
    ) throws(AllocationError) -> IPAddress {
        for _ in 0..<randomAttempts {
            let identifier = generator.next()
            let candidate = v6.host(identifier)
            if identifier != 0, identifier != .max, !taken.contains(candidate) { return candidate }
        }
        throw .networkFull(v6)
    }
}

/// Chance misses in a row that end the random search. With half of a /16 in use, one in 1024 allocations gets here.
private let randomAttempts = 10

extension IPPrefix {
    /// The address with `number` in its host bits (the last 64 at most).
    fileprivate func host(_ number: UInt64) -> IPAddress {
        var bytes = network.address.bytes
        for index in 0..<min(bytes.count, 8) {
            bytes[bytes.count - 1 - index] |= UInt8(truncatingIfNeeded: number >> UInt64(8 * index))
        }
        guard let address = IPAddress(bytes: bytes) else { preconditionFailure("\(bytes.count) bytes are no address") }
        return address
    }
}
