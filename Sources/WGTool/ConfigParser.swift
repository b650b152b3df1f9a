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
/// in any case. Later lines override earlier ones; `AllowedIPs` adds up; sections may come in any order and number. What it
/// held of the text, which may be keys, is overwritten when it goes.
package struct ConfigParser {
    private enum Section { case none, interface, peer }

    private var surroundings: any ConfigSurroundings
    private let skipsQuickKeys: Bool
    private var section = Section.none
    private var change = DeviceChange()
    /// The last of `change.peers` while its section is being read; the key may come last.
    private var openPeer: OpenPeer?
    /// About the first peer without a public key; told if nothing else is wrong.
    private var missingKey: ConfigError?
    /// Of the line that is being read, or was last; from 1.
    private var number = 0
    /// The line whose end is in the next piece.
    private var pending = WipedBytes()
    /// Room for a line without its white space.
    private let room = WipedBytes()

    /// - Parameters:
    ///   - skipsQuickKeys: whether keys that only wg-quick(8) knows, such as `Address`, are left out instead of refused.
    ///   - expectedBytes: of the whole text, as far as is known.
    package init(surroundings: any ConfigSurroundings, skipsQuickKeys: Bool = false, expectedBytes: Int = 0) {
        self.surroundings = surroundings
        self.skipsQuickKeys = skipsQuickKeys
        // Room that is not touched costs nothing; room that is outgrown is touched twice.
        change.peers.reserveCapacity(min(expectedBytes / leastPeerBytes, mostExpectedPeers))
    }

    /// - Throws: `ConfigError` for the first line that cannot be read; only then for a peer without a public key.
    package static func parse(
        _ text: [UInt8],
        surroundings: any ConfigSurroundings,
        skipsQuickKeys: Bool = false
    ) throws(ConfigError) -> DeviceChange {
        var parser = ConfigParser(
            surroundings: surroundings,
            skipsQuickKeys: skipsQuickKeys,
            expectedBytes: text.count
        )
        try parser.read(text.span)
        return try parser.finish()
    }

    /// Reads the next piece of the text, which may end within a line.
    ///
    /// - Throws: as `parse`; then the parser is of no more use.
    package mutating func read(_ piece: Span<UInt8>) throws(ConfigError) {
        // Taken out once for many lines: the compiler guards each access to an object's property.
        var room = room.array
        self.room.array = []
        defer { self.room.array = room }
        var start = 0
        while let end = piece.firstIndex(of: UInt8(ascii: "\n"), from: start) {
            if pending.array.isEmpty {
                try readLine(piece.extracting(start..<end), &room)
            } else {
                pending.append(piece.extracting(start..<end))
                try readPending(&room)
            }
            start = end + 1
        }
        if start < piece.count { pending.append(piece.extracting(start...)) }
    }

    /// - Throws: as `parse`.
    package mutating func finish() throws(ConfigError) -> DeviceChange {
        try readPending(&room.array)
        endPeer()
        if let missingKey { throw missingKey }
        return change
    }

    private mutating func readPending(_ room: inout [UInt8]) throws(ConfigError) {
        let line = pending
        pending = WipedBytes()
        // Not before the text is done with: an array that somebody still holds would be copied instead of wiped.
        defer { withExtendedLifetime(line) {} }
        try readLine(line.array.span, &room)
    }

    private mutating func readLine(_ original: Span<UInt8>, _ room: inout [UInt8]) throws(ConfigError) {
        number += 1
        if room.count < original.count {
            let count = max(original.count, 2 * room.count, leastRoomBytes)
            room.wipe()
            room = [UInt8](repeating: 0, count: count)
        }
        let count = withoutWhitespace(original, into: &room)
        try read(room.span.extracting(first: count), original)
    }

    /// - Parameters:
    ///   - text: without white space and comment.
    ///   - original: with them.
    private mutating func read(_ text: Span<UInt8>, _ original: Span<UInt8>) throws(ConfigError) {
        if text.isEmpty { return }
        if equalsIgnoringCase(text, "[interface]") {
            section = .interface
        } else if equalsIgnoringCase(text, "[peer]") {
            section = .peer
            endPeer()
            beginPeer(original)
        } else {
            var start = 0
            do throws(ValueError) {
                guard let equals = text.firstIndex(of: UInt8(ascii: "=")), equals > 0, equals + 1 < text.count else {
                    throw ValueError("Line unrecognized", text)
                }
                start = equals + 1
                if try !assign(text.extracting(start...), to: text.extracting(..<equals)) {
                    start = 0
                    throw ValueError("Line unrecognized", text)
                }
            } catch {
                let column = column(of: start + error.offset, keptCount: text.count, original)
                throw ConfigError(kind: .syntax, message: error.message, line: number, column: column)
            }
        }
    }

    /// - Returns: whether the section has such a key.
    private mutating func assign(_ value: Span<UInt8>, to name: Span<UInt8>) throws(ValueError) -> Bool {
        switch section {
        case .none: false
        case .interface: try assignToInterface(value, name)
        case .peer: try assignToPeer(value, name)
        }
    }

    private mutating func assignToInterface(
        _ value: Span<UInt8>,
        _ name: Span<UInt8>
    ) throws(ValueError) -> Bool {
        if equalsIgnoringCase(name, "privatekey") {
            change.privateKey = try ConfigValue.privateKey(value)
        } else if equalsIgnoringCase(name, "listenport") {
            change.listenPort = try ConfigValue.port(value, &surroundings)
        } else if equalsIgnoringCase(name, "fwmark") {
            change.fwmark = try ConfigValue.fwmark(value)
        } else {
            return skipsQuickKeys && isQuickKey(name)
        }
        return true
    }

    private mutating func assignToPeer(_ value: Span<UInt8>, _ name: Span<UInt8>) throws(ValueError) -> Bool {
        let last = change.peers.count - 1
        if equalsIgnoringCase(name, "publickey") {
            change.peers[last].change.publicKey = try ConfigValue.publicKey(value)
            openPeer?.hasKey = true
        } else if equalsIgnoringCase(name, "presharedkey") {
            change.peers[last].change.presharedKey = try ConfigValue.presharedKey(value)
        } else if equalsIgnoringCase(name, "allowedips") {
            try ConfigValue.allowedIPs(value, into: &change.peers[last].change, &surroundings)
        } else if equalsIgnoringCase(name, "persistentkeepalive") {
            change.peers[last].change.persistentKeepaliveSeconds = try ConfigValue.keepalive(value)
        } else if equalsIgnoringCase(name, "endpoint") {
            let target = try ConfigValue.endpoint(value, &surroundings)
            change.peers[last].change.endpoint = target.endpoint
            change.peers[last].change.endpointScope = target.scope
        } else {
            return false
        }
        return true
    }

    private mutating func beginPeer(_ original: Span<UInt8>) {
        openPeer = OpenPeer(line: number, column: column(of: 0, keptCount: 1, original))
        change.peers.append(PeerRequest(change: PeerChange(publicKey: noPublicKey)))
    }

    private mutating func endPeer() {
        guard let peer = openPeer.take() else { return }
        let last = change.peers.count - 1
        if !peer.hasKey {
            change.peers.removeLast()
            if missingKey != nil { return }
            let message = ByteText("A peer is missing a public key")
            missingKey = ConfigError(kind: .incomplete, message: message, line: peer.line, column: peer.column)
        } else if change.peers[last].change.addedAllowedIPs.isEmpty,
            change.peers[last].change.removedAllowedIPs.isEmpty
        {
            // A section without AllowedIPs means a peer without any, unless it changes single ones.
            change.peers[last].change.replaceAllowedIPs = true
        }
    }
}

/// A `[Peer]` section that has not ended.
private struct OpenPeer {
    let line: Int
    let column: Int
    var hasKey = false
}

/// Where a byte of a line without white space and comment is in the line; the column after the last byte if it is none.
///
/// - Parameters:
///   - index: in the line without them.
///   - keptCount: how many bytes that one has.
private func column(of index: Int, keptCount: Int, _ original: Span<UInt8>) -> Int {
    // Only sections and errors ask: looking again is cheaper than remembering the place of every byte.
    var kept = 0
    var end = 0
    for place in original.indices where kept < keptCount && !isWhitespace(original[place]) {
        if kept == index { return place + 1 }
        kept += 1
        end = place + 1
    }
    return end + 1
}

/// Copies a line up to its comment.
///
/// - Parameter room: at least as many bytes as the line has.
/// - Returns: how many bytes were copied.
private func withoutWhitespace(_ line: Span<UInt8>, into room: inout [UInt8]) -> Int {
    var text = room.mutableSpan
    var count = 0
    for index in line.indices {
        let byte = line[index]
        // Most bytes are behind both.
        if byte <= UInt8(ascii: "#") {
            if byte == UInt8(ascii: "#") || byte == 0 { break }
            if isWhitespace(byte) { continue }
        }
        text[count] = byte
        count += 1
    }
    return count
}

private let noPublicKey: PublicKey = {
    guard let key = PublicKey(bytes: noPrivateKey.bytes) else { preconditionFailure("32 bytes are no key") }
    return key
}()

/// Keys of `[Interface]` that wg-quick(8) takes out before it calls wg(8).
private func isQuickKey(_ name: Span<UInt8>) -> Bool {
    let keys: [StaticString] = [
        "address", "dns", "mtu", "table", "preup", "postup", "predown", "postdown", "saveconfig",
    ]
    for key in keys where equalsIgnoringCase(name, key) { return true }
    return false
}

/// Of a `[Peer]` section: its head, and a line with a key.
private let leastPeerBytes = 61
/// As many as reserving address space for is worth: 5 MB.
private let mostExpectedPeers = 1 << 15
/// More than most lines have.
private let leastRoomBytes = 256
