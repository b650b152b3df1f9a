import Logging
import MapCompiler
import ServiceLifecycle

/// Decides which ephemeral peers have been away for too long. Pure: told the time, it never asks.
struct EphemeralPeers: Sendable {
    /// How long an ephemeral peer may be without a stream: 10 min, also from registration and from the server's start.
    ///
    /// Source: spec/wire/management.md A4.4, spec/server/domain-model.md 5.
    static let grace: Duration = .seconds(600)

    /// Since when each ephemeral peer that is not connected has been seen so.
    private var absentSince: [String: ContinuousClock.Instant] = [:]

    /// Notes who exists and who is connected now.
    ///
    /// - Returns: the peers to delete, sorted.
    mutating func due(
        ephemeral: Set<String>,
        connected: Set<String>,
        at now: ContinuousClock.Instant
    ) -> [String] {
        let absent = ephemeral.subtracting(connected)
        absentSince = absentSince.filter { absent.contains($0.key) }
        for id in absent where absentSince[id] == nil { absentSince[id] = now }
        return absentSince.filter { now - $0.value >= Self.grace }.keys.sorted()
    }
}

/// Deletes ephemeral peers that have been away for too long.
struct EphemeralPeerRemoval: Service {
    let store: any Store
    let publisher: MapPublisher
    let logger: Logger

    /// Runs until the task is cancelled or the service group shuts down.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            var peers = EphemeralPeers()
            // The grace is ten minutes: ten seconds more do not matter.
            while await wait(.seconds(10)) {
                do {
                    let ephemeral = Set(try await store.peers().filter(\.isEphemeral).map(\.id))
                    let connected = Set(await publisher.connectedPeers.map(\.rawValue))
                    let due = peers.due(ephemeral: ephemeral, connected: connected, at: .now)
                    guard !due.isEmpty else { continue }
                    let deleted = try await store.deletePeers(due)
                    logger.info("ephemeral peers deleted", metadata: ["count": "\(deleted)"])
                    publisher.directoryChanged()
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("cannot delete ephemeral peers; trying again", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}
