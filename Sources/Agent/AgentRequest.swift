import MeshModel

/// One line of `wgctl` to the agent.
package enum AgentRequest: Hashable, Sendable {
    case status(StatusRequest)
    case routes(RouteRequest)
    case peer(PeerRequest)
    case drain(DrainRequest)

    /// With its newline; some 60 networks by name. Longer ones are refused unread.
    package static let maximumLineBytes = 4096

    /// Reads a line without its newline.
    ///
    /// - Returns: `nil` for anything that is not exactly a request.
    package init?(line: [UInt8]) {
        if let request = StatusRequest(line: line) {
            self = .status(request)
        } else if let request = RouteRequest(line: line) {
            self = .routes(request)
        } else if let request = PeerRequest(line: line) {
            self = .peer(request)
        } else if let request = DrainRequest(line: line) {
            self = .drain(request)
        } else {
            return nil
        }
    }

    /// Whether it changes anything; such requests are root's alone.
    package var needsRoot: Bool {
        switch self {
        case .status(let request): request.needsRoot
        case .routes(let request): request.needsRoot
        case .peer: false
        case .drain: true
        }
    }
}
