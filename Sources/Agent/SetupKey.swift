import MeshProto

/// The secret that lets a new agent join, as an administrator made it. Prints as `(hidden)`.
package struct SetupKey: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Canonical UUID text: lower case, 8-4-4-4-12. Source: spec/wire/management.md A4.1.
    package let text: String

    /// Surrounding white space, such as a file's last newline, is dropped.
    ///
    /// - Returns: `nil` unless a UUID remains.
    package init?(_ text: String) {
        guard let canonical = LoginAttempt.canonicalSetupKey(text) else { return nil }
        self.text = canonical
    }

    package var description: String { "(hidden)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
