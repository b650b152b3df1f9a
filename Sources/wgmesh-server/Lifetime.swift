import ArgumentParser

/// How long a setup key lives: `30d`, `12h`, `90m`, `45s` or `never`.
struct Lifetime: ExpressibleByArgument, Hashable, CustomStringConvertible {
    /// `nil`: without end.
    let duration: Duration?
    let description: String

    static func days(_ count: Int) -> Lifetime {
        Lifetime(duration: .seconds(count * 86_400), description: "\(count)d")
    }

    private init(duration: Duration?, description: String) {
        self.duration = duration
        self.description = description
    }

    /// - Returns: `nil` without a unit, for zero, and for more than a hundred years.
    init?(argument text: String) {
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

    var defaultValueDescription: String { description }
}
