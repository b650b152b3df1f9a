public import MeshModel

/// Attribute numbers. Source: RFC 8489, section 18.3; RFC 8445, section 16.1; 0x8100 is NetBird's own.
public enum STUNAttributeType: UInt16, Hashable, Sendable {
    case username = 0x0006
    case messageIntegrity = 0x0008
    case errorCode = 0x0009
    case xorMappedAddress = 0x0020
    case priority = 0x0024
    case useCandidate = 0x0025
    case fingerprint = 0x8028
    case iceControlled = 0x8029
    case iceControlling = 0x802a
    /// `source id:target id` of the candidates, appended after FINGERPRINT, unauthenticated: for routing only.
    ///
    /// Source: spec/wire/ice.md 4.
    case candidatePair = 0x8100
}

extension STUNMessage {
    /// USERNAME as text; `nil` if absent or not UTF-8.
    public var username: String? { value(of: .username).flatMap { String(validating: $0, as: UTF8.self) } }

    /// PRIORITY; `nil` if absent or not 4 bytes.
    public var priority: UInt32? { value(of: .priority).flatMap { bigEndian($0, as: UInt32.self) } }

    public var hasUseCandidate: Bool { value(of: .useCandidate) != nil }

    /// The sender's role and tie-breaker; `nil` if absent or not 8 bytes.
    public var role: (isControlling: Bool, tieBreaker: UInt64)? {
        if let value = value(of: .iceControlling), let number = bigEndian(value, as: UInt64.self) {
            return (true, number)
        }
        if let value = value(of: .iceControlled), let number = bigEndian(value, as: UInt64.self) {
            return (false, number)
        }
        return nil
    }

    /// Class and number of ERROR-CODE, such as 487. Source: RFC 8489, section 14.8.
    public var errorCode: Int? {
        guard let value = value(of: .errorCode), value.count >= 4 else { return nil }
        return Int(value[2] & 7) * 100 + Int(value[3])
    }

    /// The identifiers of the sender's and of our candidate; `nil` if absent or not `source:target`.
    public var candidatePair: (source: String, target: String)? {
        guard let value = value(of: .candidatePair), let text = String(validating: value, as: UTF8.self) else {
            return nil
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// XOR-MAPPED-ADDRESS, decoded; `nil` if absent or malformed. Source: RFC 8489, section 14.2.
    public var mappedAddress: Endpoint? {
        guard let value = value(of: .xorMappedAddress), value.count == 8 || value.count == 20,
            value[1] == (value.count == 8 ? 1 : 2),
            let address = IPAddress(bytes: zip(value[4...], Self.magicCookie + transactionID).map { $0 ^ $1 })
        else { return nil }
        return Endpoint(address: address, port: bigEndian16(value, 2) ^ 0x2112)
    }

    /// The value of XOR-MAPPED-ADDRESS for `endpoint` in the transaction `transactionID`.
    static func xorMapped(_ endpoint: Endpoint, transactionID: [UInt8]) -> [UInt8] {
        let family: UInt8 = endpoint.address.isV4 ? 1 : 2
        return [0, family] + bigEndianBytes(endpoint.port ^ 0x2112)
            + zip(endpoint.address.bytes, magicCookie + transactionID).map { $0 ^ $1 }
    }
}
