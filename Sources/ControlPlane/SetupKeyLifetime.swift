/// How long a setup key lives: `30d`, `12h`, `90m`, `45s` or `never`.
package struct SetupKeyLifetime: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// `nil`: without end.
    package let duration: Duration?
    package let description: String

    /// What a key gets if nothing else is said: 30 days. Source: spec/server/domain-model.md 3.
    package static let standard = SetupKeyLifetime(duration: .seconds(30 * 86_400), description: "30d")

    private init(duration: Duration?, description: String) {
        self.duration = duration
        self.description = description
    }

    /// - Returns: `nil` without a unit, for zero, and for more than a hundred years.
    package init?(_ text: String) {
        guard text != "never" else {
            self.init(duration: nil, description: text)
            return
        }
        let unitSeconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let digits = text.dropLast()
        guard let unit = text.last.flatMap({ unitSeconds[$0] }), (1...10).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits),
            count > 0, count <= 100 * 366 * 86_400 / unit
        else { return nil }
        self.init(duration: .seconds(count * unit), description: text)
    }
}
