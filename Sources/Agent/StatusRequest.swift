package import MeshModel

/// One question of `wgctl` to the agent: a single line.
package enum StatusRequest: String, Hashable, Sendable, CaseIterable {
    case statusText = "status text"
    case statusJSON = "status json"
    case planText = "plan text"
    case planJSON = "plan json"
    case historyText = "history text"
    case historyJSON = "history json"
    /// What `wgctl why` and `wgctl doctor` want to know, a line each.
    case facts
    case up
    case down

    /// Reads a line without its newline.
    ///
    /// - Returns: `nil` for anything that is not exactly one of these.
    package init?(line: some Sequence<UInt8>) {
        guard let request = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(line) }) else { return nil }
        self = request
    }

    /// Whether it changes anything; such requests are root's alone.
    package var needsRoot: Bool { self == .up || self == .down }
}

/// The answer: what `wgctl` prints and exits with.
package struct StatusResponse: Hashable, Sendable {
    package var status: ExitStatus
    /// Ends with a newline.
    package var body: String

    package init(_ status: ExitStatus, _ body: String) {
        self.status = status
        self.body = body
    }

    /// `wgmesh/1 STATUS`, newline, body.
    package var text: String { "wgmesh/1 \(status.rawValue)\n\(body)" }
}
