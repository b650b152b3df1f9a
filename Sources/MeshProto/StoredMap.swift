package import MeshModel
import SwiftProtobuf

/// The last good network map with all that a start without any server needs, as it is kept on disk.
///
/// Content of the file: `identity KEY`, `management URL`, `received SECONDS`, an empty line, then the Sync message
/// (`management.SyncResponse`) in its wire form, complete: with own addresses and services.
package struct StoredMap: Hashable, Sendable {
    /// Whose map it is.
    package var identity: PublicKey
    /// Whose word it is: the management server's URL.
    package var management: String
    /// Seconds since 1970.
    package var receivedSeconds: Int64
    /// The plaintext of the Sync message.
    package var message: [UInt8]

    package init(identity: PublicKey, management: String, receivedSeconds: Int64, message: [UInt8]) {
        self.identity = identity
        self.management = management
        self.receivedSeconds = receivedSeconds
        self.message = message
    }

    /// Larger than any file of ours: the longest message that the network can bring, and the lines before it.
    package static let maximumFileBytes = BoxKey.maximumBodyBytes + 4096
    private static let (kind, version) = ("map", 1)

    package func encode() -> [UInt8] {
        let head = "identity \(identity)\nmanagement \(management)\nreceived \(receivedSeconds)\n\n"
        return StoredFile.encode(kind: Self.kind, version: Self.version, content: Array(head.utf8) + message)
    }

    /// - Throws: `StoredFileError` unless the bytes are exactly what `encode` makes. The message is not looked into.
    package init(decoding bytes: [UInt8]) throws(StoredFileError) {
        var lines = StoredLines(try StoredFile.decode(bytes, kind: Self.kind, version: Self.version))
        guard let identity = try lines.value(of: "identity"), let key = PublicKey(base64: String(identity)),
            let management = try lines.value(of: "management"),
            let received = try lines.value(of: "received"), let seconds = Int64(received), seconds >= 0,
            try lines.next() == nil
        else { throw StoredFileError("its first lines are not those of a map") }
        self.init(
            identity: key,
            management: String(management),
            receivedSeconds: seconds,
            message: Array(lines.remainder)
        )
    }

    /// What the message says, validated as if it came from the network.
    ///
    /// - Throws: `StoredFileError` if it is no Sync message, or holds no map with our own addresses.
    package func update() throws(StoredFileError) -> SyncUpdate {
        let update: SyncUpdate
        do {
            update = try SyncUpdate(wire: Management_SyncResponse(serializedBytes: message))
        } catch {
            throw StoredFileError("its message does not decode: \(error)")
        }
        guard update.map?.own != nil else { throw StoredFileError("its message holds no own address") }
        return update
    }
}

extension StoredLines {
    fileprivate mutating func value(of name: String) throws(StoredFileError) -> Substring? {
        guard let words = try next(), words.count == 2, words[0] == name else { return nil }
        return words[1]
    }
}

/// Makes complete messages of those of a session, which leave out what has not changed.
package struct SyncRecord: Sendable {
    private var services: Management_NetbirdConfig?
    private var own: Management_PeerConfig?

    package init() {}

    package mutating func note(_ login: Management_LoginResponse) {
        if login.hasNetbirdConfig { services = login.netbirdConfig }
        if login.hasPeerConfig { own = login.peerConfig }
    }

    /// - Returns: the plaintext to keep; `nil`: the message holds no map.
    package mutating func note(_ message: Management_SyncResponse) -> [UInt8]? {
        if message.hasNetbirdConfig { services = message.netbirdConfig }
        if message.hasPeerConfig { own = message.peerConfig }
        guard message.hasNetworkMap else { return nil }
        var complete = message
        if let services { complete.netbirdConfig = services }
        // The notice that we were deleted carries no address: ours is what it was.
        if !complete.hasPeerConfig, !complete.networkMap.hasPeerConfig, let own { complete.peerConfig = own }
        do {
            return try complete.serializedBytes()
        } catch {
            return nil  // only a message with required fields can fail; proto3 has none
        }
    }
}
