import MeshModel
import WGKernel

/// A configuration that cannot be read.
package struct ConfigError: Error, Hashable, Sendable {
    /// What is wrong with one place of the text, or with the whole.
    package enum Kind: Hashable, Sendable { case syntax, incomplete }

    package var kind: Kind
    /// One line in the words of wg(8).
    package var message: ByteText
    /// Both from 1; the column counts bytes.
    package var line: Int
    package var column: Int

    /// The line by which wg(8) ends what it says.
    package var summary: String {
        switch kind {
        case .syntax: "Configuration parsing error"
        case .incomplete: "Invalid configuration"
        }
    }
}

/// Reads the configuration format of wg(8).
///
/// White space means nothing, not even inside a word; `#` starts a comment, NUL ends a line. Section and key names are read
/// in any case. Later lines override earlier ones; `AllowedIPs` adds up; sections may come in any order and number.
package struct ConfigParser<Surroundings: ConfigSurroundings> {
    private enum Section { case none, interface, peer }

    private var surroundings: Surroundings
    private let skipsQuickKeys: Bool
    private var section = Section.none
    private var change = DeviceChange()
    /// The section that is being read, or was last; those before it are in `change`.
    private var peer: PeerDraft?
    /// About the first peer without a public key; told if nothing else is wrong.
    private var missingKey: ConfigError?

    /// - Parameter skipsQuickKeys: whether keys that only wg-quick(8) knows, such as `Address`, are left out instead of
    ///   refused.
    package init(surroundings: Surroundings, skipsQuickKeys: Bool = false) {
        self.surroundings = surroundings
        self.skipsQuickKeys = skipsQuickKeys
    }

    /// - Throws: `ConfigError` for the first line that cannot be read; only then for a peer without a public key.
    package static func parse(
        _ text: some Collection<UInt8>,
        surroundings: Surroundings,
        skipsQuickKeys: Bool = false
    ) throws(ConfigError) -> DeviceChange {
        var parser = ConfigParser(surroundings: surroundings, skipsQuickKeys: skipsQuickKeys)
        var rest = Array(text)[...]
        var number = 0
        while true {
            let end = rest.firstIndex(of: UInt8(ascii: "\n"))
            number += 1
            try parser.read(ConfigLine(rest[..<(end ?? rest.endIndex)], number: number))
            guard let end else { return try parser.finish() }
            rest = rest[(end + 1)...]
        }
    }

    private mutating func read(_ line: ConfigLine) throws(ConfigError) {
        if line.text.isEmpty { return }
        if equalsIgnoringCase(line.text, "[Interface]") {
            section = .interface
        } else if equalsIgnoringCase(line.text, "[Peer]") {
            section = .peer
            endPeer()
            peer = PeerDraft(line: line)
        } else {
            guard let (name, start) = line.keyAndValueStart else { throw line.unrecognized }
            let isKnown: Bool
            do throws(ValueError) {
                isKnown = try assign(Array(line.text[start...]), to: name)
            } catch {
                throw line.error(error, valueStart: start)
            }
            if !isKnown { throw line.unrecognized }
        }
    }

    /// - Returns: whether the section has such a key.
    private mutating func assign(_ value: [UInt8], to name: String) throws(ValueError) -> Bool {
        switch section {
        case .none: return false
        case .interface: return try assignToInterface(value, name)
        case .peer: return try assignToPeer(value, name)
        }
    }

    private mutating func assignToInterface(_ value: [UInt8], _ name: String) throws(ValueError) -> Bool {
        switch name {
        case "privatekey": change.privateKey = try ConfigValue.privateKey(value)
        case "listenport": change.listenPort = try ConfigValue.port(value, &surroundings)
        case "fwmark": change.fwmark = try ConfigValue.fwmark(value)
        default: return skipsQuickKeys && quickKeys.contains(name)
        }
        return true
    }

    private mutating func assignToPeer(_ value: [UInt8], _ name: String) throws(ValueError) -> Bool {
        guard var draft = peer.take() else { return false }
        // An error ends the parser, and the draft with it.
        switch name {
        case "publickey": draft.publicKey = try ConfigValue.publicKey(value)
        case "presharedkey": draft.settings.presharedKey = try ConfigValue.presharedKey(value)
        case "allowedips": try ConfigValue.allowedIPs(value, into: &draft.settings, &surroundings)
        case "persistentkeepalive": draft.settings.persistentKeepaliveSeconds = try ConfigValue.keepalive(value)
        case "endpoint":
            let target = try ConfigValue.endpoint(value, &surroundings)
            draft.settings.endpoint = target.endpoint
            draft.settings.endpointScope = target.scope
        default: return false
        }
        peer = draft
        return true
    }

    private mutating func finish() throws(ConfigError) -> DeviceChange {
        endPeer()
        if let missingKey { throw missingKey }
        return change
    }

    private mutating func endPeer() {
        guard let draft = peer.take() else { return }
        if let request = draft.request {
            change.peers.append(request)
        } else if missingKey == nil {
            let message = ByteText("A peer is missing a public key")
            missingKey = ConfigError(kind: .incomplete, message: message, line: draft.line, column: draft.column)
        }
    }
}

/// A `[Peer]` section; the key may come last.
private struct PeerDraft {
    let line: Int
    let column: Int
    var publicKey: PublicKey?
    /// Under a key that means nothing.
    var settings = PeerChange(publicKey: noPublicKey)

    init(line: ConfigLine) {
        self.line = line.number
        column = line.column(of: 0)
    }

    var request: PeerRequest? {
        guard let publicKey else { return nil }
        var change = settings
        change.publicKey = publicKey
        // A section without AllowedIPs means a peer without any, unless it changes single ones.
        if change.addedAllowedIPs.isEmpty && change.removedAllowedIPs.isEmpty { change.replaceAllowedIPs = true }
        return PeerRequest(change: change)
    }
}

/// A line without white space and comment, which knows where its bytes were.
private struct ConfigLine {
    let number: Int
    let text: [UInt8]
    private let original: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>, number: Int) {
        self.number = number
        original = line
        text = Array(capacity: line.count) { text in
            for byte in line {
                if byte == UInt8(ascii: "#") || byte == 0 { break }
                if !isWhitespace(byte) { text.append(byte) }
            }
        }
    }

    /// The name before `=` in lower case, and where the value starts; `nil` unless both are there.
    var keyAndValueStart: (String, Int)? {
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")), equals > 0, equals + 1 < text.count else {
            return nil
        }
        return (String(decoding: text[..<equals].map(lowercased), as: UTF8.self), equals + 1)
    }

    /// - Parameter index: of a byte of `text`; its end is the column after the last byte.
    func column(of index: Int) -> Int {
        // Only errors ask, once: looking again is cheaper than remembering the place of every byte.
        let kept = original.indices.lazy.filter { !isWhitespace(original[$0]) }.prefix(text.count)
        let place = kept.dropFirst(index).first ?? (kept.last ?? original.startIndex - 1) + 1
        return place - original.startIndex + 1
    }

    var unrecognized: ConfigError { error(ValueError("Line unrecognized", text), valueStart: 0) }

    func error(_ error: ValueError, valueStart: Int) -> ConfigError {
        ConfigError(
            kind: .syntax,
            message: error.message,
            line: number,
            column: column(of: valueStart + error.offset)
        )
    }
}

private let noPublicKey: PublicKey = {
    guard let key = PublicKey(bytes: noPrivateKey.bytes) else { preconditionFailure("32 bytes are no key") }
    return key
}()

/// Keys of `[Interface]` that wg-quick(8) takes out before it calls wg(8).
private let quickKeys: Set<String> = [
    "address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig",
]
