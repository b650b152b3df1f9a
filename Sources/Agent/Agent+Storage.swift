import AgentCore
import Glibc
import Logging
import MeshModel
import MeshProto
import NIOPosix

/// What the agent remembers over restarts: written where it disturbs nobody, and only when it changed.
extension Agent {
    /// A map is written at once, further ones at most this often.
    private static var mapInterval: Duration { .seconds(1) }

    /// Goes by what was remembered until a server speaks: nothing here waits for anybody.
    func recall() {
        if !hints.endpoints.isEmpty { deliver(.lastEndpoints(hints.endpoints)) }
        guard let stored = recalled.map else { return }
        logger.info(
            "stored network map",
            metadata: ["serial": "\(stored.map.serial)", "peers": "\(stored.map.peers.count)"]
        )
        if let services = recalled.services { handle(services) }
        deliver(.storedMap(stored))
        recalled.map = nil
    }

    /// Notes a map that has come, unless it says what the stored one says.
    func note(message: [UInt8]) {
        let checksum = StoredFile.checksum(of: message)
        guard checksum != recalled.messageChecksum else { return }
        recalled.messageChecksum = checksum
        unsaved.map = StoredMap(
            identity: identity.publicKey,
            management: "\(configuration.management)",
            receivedSeconds: Int64(time(nil)),
            message: message
        )
        saveSink.yield()
    }

    /// Notes where the peers are now.
    func noteEndpoints(_ endpoints: [PublicKey: Endpoint]) {
        guard endpoints != hints.endpoints else { return }
        hints.endpoints = endpoints
        unsaved.hints = hints
        saveSink.yield()
    }

    /// A server has answered, so its address is worth keeping.
    func noteServers() { saveSink.yield() }

    private func collectServers() async {
        let servers = await sockets.addresses.known
        guard servers != hints.servers else { return }
        hints.servers = servers
        unsaved.hints = hints
    }

    /// Writes what was noted: at once, then at most once a second; the rest is `saveNow`'s.
    func runStorage() async {
        for await _ in saveRequests {
            await collectServers()
            let batch = takeUnsaved()
            do {
                let failure = try await NIOThreadPool.singleton.runIfActive { [state] in batch.write(to: state) }
                setStorageProblem(failure)
                try await clock.sleep(for: Self.mapInterval)
            } catch {
                // Cancelled: what was not written, `saveNow` writes.
                unsaved.map = unsaved.map ?? batch.map
                unsaved.hints = unsaved.hints ?? batch.hints
                return
            }
        }
    }

    /// Writes what was noted since; nothing else runs any more.
    func saveNow() { setStorageProblem(takeUnsaved().write(to: state)) }

    private func takeUnsaved() -> Unsaved {
        defer { unsaved = Unsaved() }
        return unsaved
    }

    /// A full disk costs the next boot without a server, not this run.
    private func setStorageProblem(_ problem: AgentFailure?) {
        if let problem, problem != storageProblem {
            logger.warning("cannot remember the map", metadata: ["reason": "\(problem)"])
        }
        storageProblem = problem
    }
}
