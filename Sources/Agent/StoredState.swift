package import AgentCore
import Glibc
package import Logging
package import MeshModel
package import MeshProto

/// What the state directory remembers of the mesh: the last good map, and the addresses that worked.
///
/// A file that cannot be used never keeps the agent from starting: it is set aside with a warning.
package struct StoredState: Sendable {
    /// `nil`: none yet, or none that can be used.
    package var map: StoredNetworkMap?
    package var services: ServiceConfiguration?
    /// Checksum of the stored message, to tell whether a new one differs; empty: none.
    var messageChecksum: [UInt8] = []
    package var hints: StoredHints

    static let mapFile = "map"
    static let hintsFile = "hints"

    /// Nothing remembered.
    package init(identity: PublicKey) { hints = StoredHints(identity: identity) }

    /// Reads both files. One of another identity, another management server or another version is set aside too.
    package init(in directory: StateDirectory, identity: PublicKey, management: ServerAddress, logger: Logger) {
        self.init(identity: identity)
        let file = StateFile(directory: directory, logger: logger)
        file.use(Self.mapFile, atMost: StoredMap.maximumFileBytes) { bytes throws(StoredFileError) in
            let stored = try StoredMap(decoding: bytes)
            guard stored.identity == identity else { throw StoredFileError("it is another identity's") }
            guard stored.management == "\(management)" else {
                throw StoredFileError("it is of \(stored.management), not of \(management)")
            }
            let update = try stored.update()
            for skipped in update.skipped { logger.debug("stored map: \(skipped)") }
            map = update.map.map { StoredNetworkMap(map: $0, receivedSeconds: stored.receivedSeconds) }
            services = update.services
            messageChecksum = StoredFile.checksum(of: stored.message)
        }
        file.use(Self.hintsFile, atMost: StoredHints.maximumFileBytes) { bytes throws(StoredFileError) in
            let stored = try StoredHints(decoding: bytes)
            guard stored.identity == identity else { throw StoredFileError("it is another identity's") }
            hints = stored
        }
    }

    /// Forgets the mesh: for an agent that leaves it by its own wish.
    ///
    /// - Throws: `AgentFailure` with `.failure` if the disk says no.
    package static func remove(from directory: StateDirectory) throws(AgentFailure) {
        try directory.remove(mapFile)
        try directory.remove(hintsFile)
    }
}

private struct StateFile {
    let directory: StateDirectory
    let logger: Logger

    func use(_ name: String, atMost limit: Int, _ body: ([UInt8]) throws(StoredFileError) -> Void) {
        let reason: String
        do {
            guard let bytes = try directory.read(name, atMost: limit) else { return }
            try body(bytes)
            return
        } catch {
            reason = "\(error)"
        }
        let kept = directory.setAside(name) ?? "as it is"
        logger.warning(
            "a stored file is not used",
            metadata: [
                "file": "\(directory.path)/\(name)", "reason": "\(reason)", "kept": "\(kept)",
            ]
        )
    }
}

/// What waits to be written: the newest of each file.
struct Unsaved: Sendable {
    var map: StoredMap?
    var hints: StoredHints?

    /// Writes what is there.
    ///
    /// - Returns: the reason of the first failure; `nil`: all is on disk.
    func write(to directory: StateDirectory) -> AgentFailure? {
        do throws(AgentFailure) {
            if let map { try directory.write(map.encode(), to: StoredState.mapFile) }
            if let hints { try directory.write(hints.encode(), to: StoredState.hintsFile) }
            return nil
        } catch {
            return error
        }
    }
}
