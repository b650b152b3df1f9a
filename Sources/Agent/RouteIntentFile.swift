package import AgentCore
import MeshModel

/// The user's wishes for routes, kept over restarts: `routes` in the state directory.
package enum RouteIntentFile {
    package static let name = "routes"
    /// Of 20,000 names of 40 bytes, each encoded to three times its length, and then some.
    private static let maximumBytes = 4 << 20

    /// What holds until the user says otherwise.
    package struct Loaded: Sendable {
        package var intent: RouteIntent
        /// Why the stored wish could not be read; then nothing is routed. `nil`: it could.
        package var problem: String?

        package init(intent: RouteIntent, problem: String? = nil) {
            self.intent = intent
            self.problem = problem
        }
    }

    /// Reads the wish; without a file the user has none yet.
    ///
    /// A damaged file is no reason to end: over the overlay somebody must be able to repair it. Nothing is routed then, as
    /// after `deselect all`, since a network that the user had switched off must not come back by accident.
    package static func load(from directory: StateDirectory) -> Loaded {
        do throws(AgentFailure) {
            guard let bytes = try directory.read(name, atMost: maximumBytes) else {
                return Loaded(intent: RouteIntent())
            }
            guard let text = String(validating: bytes, as: UTF8.self) else { throw damaged("it is no text", directory) }
            do throws(RouteIntentError) {
                return Loaded(intent: try RouteIntent(text: text))
            } catch {
                throw damaged(error.description, directory)
            }
        } catch {
            return Loaded(intent: .nothing, problem: error.description)
        }
    }

    /// Replaces the wish; on disk when this returns.
    ///
    /// - Parameter isDamaged: what is there could not be read; it is kept under another name.
    /// - Throws: `AgentFailure` with `.failure` if the disk says no, or if the wish is larger than any map.
    package static func store(
        _ intent: RouteIntent,
        in directory: StateDirectory,
        replacingDamaged isDamaged: Bool
    ) throws(AgentFailure) {
        let text = intent.text
        guard text.utf8.count <= maximumBytes, (try? RouteIntent(text: text)) == intent else {  // any error: not stored
            throw AgentFailure(.failure, "the wish for routes names more networks than can be kept")
        }
        if isDamaged { _ = directory.setAside(name) }
        try directory.write(text, to: name)
    }

    private static func damaged(_ reason: String, _ directory: StateDirectory) -> AgentFailure {
        AgentFailure(
            .stateDamaged,
            "\(directory.path)/\(name) is damaged (\(reason)), so no network and no exit node is used: restore it and "
                + "restart, or choose anew with `wgctl routes` and `wgctl exit`"
        )
    }
}
