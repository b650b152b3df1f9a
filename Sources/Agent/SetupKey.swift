/// The secret that lets a new agent join, as an administrator made it. Prints as `(hidden)`.
package struct SetupKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Canonical UUID text: lower case, 8-4-4-4-12. Source: spec/wire/management.md A4.1.
    package let text: String

    /// Surrounding white space, such as a file's last newline, is dropped.
    ///
    /// - Returns: `nil` unless a UUID remains.
    package init?(_ text: String) {
        let key = text.split(whereSeparator: \.isWhitespace)
        guard key.count == 1 else { return nil }
        let groups = key[0].split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12],
            groups.joined().utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0 | 0x20) })
        else { return nil }
        self.text = key[0].lowercased()
    }

    package var description: String { "(hidden)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
