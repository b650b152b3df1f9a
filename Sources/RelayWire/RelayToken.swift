import Crypto
import MeshModel

/// Proof that the control plane lets its bearer use the relay, until a time. Whoever holds it may use it: no peer's name
/// is in it, so it prints as `(hidden)`.
///
/// Source: spec/wire/relay.md 4.
public struct RelayToken: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// When it ends, as decimal seconds since 1970.
    public let payload: String
    /// HMAC-SHA256 of `payload`, 32 bytes.
    public let signature: [UInt8]

    /// What the control plane hands out: `tokenPayload` and `tokenSignature` of its relay settings.
    ///
    /// - Returns: `nil` for a payload that makes `auth` too long or is shorter than any time, or a signature that is not
    ///   the base64 of 32 bytes.
    public init?(payload: String, signatureBase64: String) {
        guard let signature = Base64.decode(signatureBase64), signature.count == Self.signatureBytes,
            (Self.shortestPayloadBytes...Self.longestPayloadBytes).contains(payload.utf8.count)
        else { return nil }
        self.init(payload: payload, signature: signature)
    }

    init(payload: String, signature: [UInt8]) {
        self.payload = payload
        self.signature = signature
    }

    public var signatureBase64: String { Base64.encode(signature) }

    /// As it stands in `RelayFrame.auth`: the algorithm's number, the signature, the payload.
    public var wire: [UInt8] { [Self.hmacSHA256] + signature + Array(payload.utf8) }

    /// When it ends, in seconds since 1970; `nil` where the payload is no number.
    public var expirySeconds: Int64? { Int64(payload) }

    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// The algorithm's number on the wire, and the only one.
    static let hmacSHA256: UInt8 = 1
    static let signatureBytes = 32
    /// The times of this century have ten digits.
    static let shortestPayloadBytes = 10
    /// What `auth` has room for.
    static let longestPayloadBytes =
        RelayLimits.longestAuthBytes - RelayLimits.headerBytes - RelayFrame.authMagic.count - RelayPeerID.lengthBytes
        - 1
        - signatureBytes
}

/// The secret that the control plane and its relays share, by which tokens are made and checked. Prints as `(hidden)`.
public struct RelaySecret: Sendable, CustomStringConvertible, CustomReflectable {
    /// SHA-256 of the secret's text: both sides hash before they sign.
    private let key: SymmetricKey

    /// - Parameter text: any; a long random one.
    public init(text: String) { key = SymmetricKey(data: SHA256.hash(data: Array(text.utf8))) }

    /// - Parameter expirySeconds: since 1970, and ten digits at least: after September 2001.
    public func token(expirySeconds: Int64) -> RelayToken {
        let payload = String(expirySeconds)
        let signature = HMAC<SHA256>.authenticationCode(for: Array(payload.utf8), using: key)
        return RelayToken(payload: payload, signature: Array(signature))
    }

    /// Checks a token of `RelayFrame.auth`, in the order of spec/wire/relay.md 4; the signature in constant time.
    ///
    /// - Parameter nowSeconds: since 1970.
    /// - Throws: `RelayTokenError`, which names the first thing that is wrong.
    public func verify(_ wire: [UInt8], nowSeconds: Int64) throws(RelayTokenError) {
        guard let algorithm = wire.first else { throw .truncated }
        guard algorithm == RelayToken.hmacSHA256 else { throw .unknownAlgorithm(algorithm) }
        guard wire.count >= 1 + RelayToken.signatureBytes else { throw .truncated }
        let signature = Array(wire[1...RelayToken.signatureBytes])
        let payload = Array(wire[(1 + RelayToken.signatureBytes)...])
        guard payload.count >= RelayToken.shortestPayloadBytes else { throw .truncated }
        guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: payload, using: key) else {
            throw .wrongSignature
        }
        guard let text = String(validating: payload, as: UTF8.self), let expiry = Int64(text) else {
            throw .malformedExpiry
        }
        guard nowSeconds <= expiry else { throw .expired }
    }

    public var description: String { "(hidden)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a relay does not take a token.
public enum RelayTokenError: Error, Hashable, Sendable {
    case truncated
    case unknownAlgorithm(UInt8)
    case wrongSignature
    /// Signed, and yet no number.
    case malformedExpiry
    case expired
}
