/// A value in a received message that cannot be what it should be.
///
/// Prints as `NetworkMap.remotePeers[3].allowedIps[0]: "10.0.0.0/33" is no prefix`.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Field names as in the .proto files.
    package var path: String
    package var reason: String

    package init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
    }

    package var description: String { "\(path): \(reason)" }

    func within(_ outer: String) -> WireError { WireError("\(outer).\(path)", reason) }
}

/// A received text in quotes, cut to 64 characters and free of control characters: fit for a log line.
func quoted(_ text: String) -> String {
    let visible = text.unicodeScalars.prefix(64).map { $0.properties.generalCategory == .control ? "?" : String($0) }
    return "\"\(visible.joined())\(text.unicodeScalars.count > 64 ? "..." : "")\""
}
