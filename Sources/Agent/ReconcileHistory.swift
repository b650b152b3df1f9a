/// What was changed in the kernel, when and why: the last passes that changed something or failed.
struct ReconcileHistory {
    struct Entry {
        /// Since 1970.
        var atSeconds: Int64
        /// What made us look, such as `network map 12`; repairs say what the kernel told.
        var reasons: [String]
        var isRepair: Bool
        /// Commands, at most `maximumChanges` of them.
        var changes: [String]
        /// How many there were.
        var changeCount: Int
        /// `nil`: it succeeded.
        var failure: String?
    }

    private(set) var entries: [Entry] = []

    mutating func add(
        atSeconds: Int64,
        reasons: [String],
        isRepair: Bool,
        changes: [String],
        failure: String? = nil
    ) {
        entries.append(
            Entry(
                atSeconds: atSeconds,
                reasons: reasons,
                isRepair: isRepair,
                changes: Array(changes.prefix(Self.maximumChanges)),
                changeCount: changes.count,
                failure: failure
            )
        )
        if entries.count > Self.maximumEntries { entries.removeFirst() }
    }

    private static let maximumEntries = 64
    private static let maximumChanges = 100
}

extension ReconcileHistory {
    /// Newest last; times are UTC.
    var text: String {
        if entries.isEmpty { return "nothing was changed since the agent started\n" }
        return entries.map { entry in
            var lines = ["\(utcText(entry.atSeconds)) \(entry.title)"]
            lines += entry.changes.map { "  \($0)" }
            if entry.changeCount > entry.changes.count {
                lines.append("  ... and \(entry.changeCount - entry.changes.count) more")
            }
            if let failure = entry.failure { lines.append("  failed: \(failure)") }
            return lines.map { $0 + "\n" }.joined()
        }.joined()
    }

    var json: String {
        let list = entries.map { entry in
            JSONValue.object([
                ("time", .number(entry.atSeconds)),
                ("reasons", .array(entry.reasons.map(JSONValue.string))),
                ("repair", .bool(entry.isRepair)),
                ("changes", .array(entry.changes.map(JSONValue.string))),
                ("changeCount", .number(Int64(entry.changeCount))),
                ("failure", entry.failure.map(JSONValue.string) ?? .null),
            ])
        }
        return JSONValue.object([("history", .array(list))]).text() + "\n"
    }
}

extension ReconcileHistory.Entry {
    fileprivate var title: String {
        (isRepair ? "repair: " : "") + (reasons.isEmpty ? "check" : reasons.joined(separator: ", "))
    }
}

/// RFC 3339 with a Z. Source of the arithmetic: days from civil, proleptic Gregorian calendar.
///
/// - Parameter seconds: since 1970.
func utcText(_ seconds: Int64) -> String {
    let (day, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
    // Years begin in March here, so that the leap day is the last.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(two(month))-\(two(dayOfMonth))T"
        + "\(two(time / 3600)):\(two(time / 60 % 60)):\(two(time % 60))Z"
}
