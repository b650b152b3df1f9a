/// What is wrong with received bytes, and where: `WGDEVICE_A_PEERS[3].WGPEER_A_ENDPOINT: 7 bytes, expected 16 or 28`.
public struct DecodeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Attribute names from the outside in; empty for the message itself.
    public private(set) var path: [String]
    public let problem: String

    public init(_ problem: String, path: [String] = []) {
        self.problem = problem
        self.path = path
    }

    public var description: String { path.isEmpty ? problem : path.joined(separator: ".") + ": " + problem }

    /// The same error, seen from one level further out.
    public func inside(_ name: String) -> DecodeError { DecodeError(problem, path: [name] + path) }
}
