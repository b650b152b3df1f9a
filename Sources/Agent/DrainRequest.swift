/// A command of `wgctl drain` or `wgctl undrain`. Both may be given again: `drain` then tells how far it is.
package enum DrainRequest: String, Hashable, Sendable, CaseIterable {
    case drainText = "drain text"
    case drainJSON = "drain json"
    case undrainText = "undrain text"
    case undrainJSON = "undrain json"

    /// Reads a line without its newline.
    ///
    /// - Returns: `nil` for anything that is not exactly one of these.
    package init?(line: some Sequence<UInt8>) {
        guard let request = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(line) }) else { return nil }
        self = request
    }

    var isDraining: Bool { self == .drainText || self == .drainJSON }
    var isJSON: Bool { self == .drainJSON || self == .undrainJSON }
}
