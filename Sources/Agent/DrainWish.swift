import MeshModel

/// Whether this gateway's clients are asked to go elsewhere, kept over restarts: the file `drain` in the state directory.
package enum DrainWish {
    private static let fileName = "drain"

    /// - Throws: `AgentFailure` with `.stateDamaged` if the file holds anything else than it should.
    package static func isDraining(in directory: StateDirectory) throws(AgentFailure) -> Bool {
        switch try directory.read(fileName) {
        case nil: return false
        case "draining\n": return true
        default:
            throw AgentFailure(
                .stateDamaged,
                "\(directory.path)/\(fileName) is damaged (it does not say \"draining\"): remove it, and clients are served"
            )
        }
    }

    package static func store(isDraining: Bool, in directory: StateDirectory) throws(AgentFailure) {
        if isDraining { try directory.write("draining\n", to: fileName) } else { try directory.remove(fileName) }
    }
}
