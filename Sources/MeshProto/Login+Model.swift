import FoundationEssentials
package import MeshModel
import SwiftProtobuf

/// One attempt of an agent to join, or to say that it is back.
package struct LoginAttempt: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Canonical lower-case UUID text; `nil`: none, the agent believes that it is registered.
    package var setupKey: String?
    /// Single sign-on token; `nil`: none.
    package var token: String?
    package var meta: PeerMeta
    /// SSH host key as a line of `authorized_keys`; empty: none.
    package var sshPublicKey: String
    /// Further DNS labels that the peer asks for, punycode.
    package var extraLabels: [String]

    package init(
        setupKey: String? = nil,
        token: String? = nil,
        meta: PeerMeta,
        sshPublicKey: String = "",
        extraLabels: [String] = []
    ) {
        self.setupKey = setupKey
        self.token = token
        self.meta = meta
        self.sshPublicKey = sshPublicKey
        self.extraLabels = extraLabels
    }

    /// The agent version that we put on the wire. Source of the number: DECISIONS.md, "Product".
    ///
    /// Servers choose what they send by it (spec/wire/management.md A4.2): from 0.60.0 on they send what we understand;
    /// from 0.64.0 on they would expect remote jobs.
    package static let wireVersion = "0.60.1"

    package var description: String { "login of \(meta.hostname), setup key \(setupKey == nil ? "none" : "(hidden)")" }
    package var customMirror: Mirror { Mirror(self, children: ["meta": meta]) }

    /// The form in which setup keys travel: lower-case 8-4-4-4-12.
    ///
    /// - Returns: `nil` if `text` (white space around it aside) is no UUID.
    package static func canonicalSetupKey(_ text: String) -> String? {
        let start = text.drop(while: \.isWhitespace)
        let end = start.lastIndex { !$0.isWhitespace }.map { start.index(after: $0) } ?? start.startIndex
        let groups = start[..<end].lowercased().split(separator: "-", omittingEmptySubsequences: false)
        let isHex: (UInt8) -> Bool = { 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 }
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12], groups.allSatisfy({ $0.utf8.allSatisfy(isHex) }) else {
            return nil
        }
        return groups.joined(separator: "-")
    }
}

extension LoginAttempt {
    /// What a peer sends here goes into the maps of all others, so its size is bounded.
    private static let maximumSSHKeyBytes = 8192
    /// Source: spec/server/domain-model.md 2.
    private static let maximumExtraLabels = 32

    /// - Throws: `WireError` if meta is absent (answer: FailedPrecondition), a text cannot be shown, a label is none, or
    ///   something is larger than any honest agent sends.
    package init(wire: Management_LoginRequest) throws(WireError) {
        guard wire.hasMeta else { throw WireError("meta", "absent") }
        guard wire.peerKeys.sshPubKey.count <= Self.maximumSSHKeyBytes else {
            throw WireError("peerKeys.sshPubKey", "\(wire.peerKeys.sshPubKey.count) bytes, allowed are 8192")
        }
        guard wire.dnsLabels.count <= Self.maximumExtraLabels else {
            throw WireError("dnsLabels", "\(wire.dnsLabels.count) labels, allowed are 32")
        }
        for (index, label) in wire.dnsLabels.enumerated() where !isLabel(label) {
            throw WireError("dnsLabels[\(index)]", "\(quoted(label)) is no DNS label")
        }
        self.init(
            setupKey: wire.setupKey.isEmpty ? nil : wire.setupKey,
            token: wire.jwtToken.isEmpty ? nil : wire.jwtToken,
            meta: try PeerMeta(wire: wire.meta),
            sshPublicKey: String(decoding: wire.peerKeys.sshPubKey, as: UTF8.self),
            extraLabels: wire.dnsLabels
        )
    }
}

extension Management_LoginRequest {
    /// - Parameter publicKey: our own; servers do not use it, stock agents send it.
    package init(_ attempt: LoginAttempt, publicKey: PublicKey) {
        self.init()
        setupKey = attempt.setupKey ?? ""
        jwtToken = attempt.token ?? ""
        meta = Management_PeerSystemMeta(attempt.meta)
        peerKeys.sshPubKey = Data(attempt.sshPublicKey.utf8)
        peerKeys.wgPubKey = Data(publicKey.base64.utf8)
        dnsLabels = attempt.extraLabels
    }
}

/// The control plane's yes to a login.
package struct LoginGrant: Hashable, Sendable {
    package var own: SelfConfiguration
    package var services: ServiceConfiguration
    /// What was left out because it could not be read, for the log.
    package var skipped: [WireError] = []

    package init(own: SelfConfiguration, services: ServiceConfiguration) {
        self.own = own
        self.services = services
    }

    /// - Throws: `WireError` if the own address or the signal server is absent or cannot be read.
    package init(wire: Management_LoginResponse) throws(WireError) {
        guard wire.hasPeerConfig else { throw WireError("peerConfig", "absent") }
        guard wire.hasNetbirdConfig else { throw WireError("netbirdConfig", "absent") }
        services = ServiceConfiguration(wire: wire.netbirdConfig, skipped: &skipped)
        guard services.signal != nil else { throw skipped.first ?? WireError("netbirdConfig.signal", "absent") }
        own = try SelfConfiguration(wire: wire.peerConfig, skipped: &skipped)
    }
}

extension Management_LoginResponse {
    package init(_ grant: LoginGrant) {
        self.init()
        netbirdConfig = Management_NetbirdConfig(grant.services)
        peerConfig = Management_PeerConfig(grant.own)
        sessionExpiresAt = Google_Protobuf_Timestamp()  // explicit zero: this login never expires
    }
}

/// Letters, digits and inner hyphens, 1 to 63 of them (RFC 1123, section 2.1).
private func isLabel(_ text: String) -> Bool {
    let isLabelByte: (UInt8) -> Bool = { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
    return (1...63).contains(text.utf8.count) && text.utf8.allSatisfy(isLabelByte) && !text.hasPrefix("-")
        && !text.hasSuffix("-")
}
