import MeshModel

/// The wish as a file: a line that names the format, then one line a field; names are percent-encoded, a word each.
///
///     wgmesh-routes 1
///     default on
///     exit use berlin paris
///     on
///     off office%20lan
extension RouteIntent {
    private static let header = "wgmesh-routes 1"
    /// Of a name, in bytes; the control plane's limit is 40 characters.
    public static let longestName = 255
    /// Names in one wish; more than a map of any size has.
    public static let mostNames = 20_000

    public var text: String {
        let exitWords: [String]
        switch exit {
        case .off: exitWords = ["off"]
        case .automatic(let except): exitWords = ["auto"] + Self.words(except)
        case .use(let names): exitWords = ["use"] + names.map { PercentEncoding.encode($0) }
        }
        let lines = [
            [Self.header], ["default", isDefaultOn ? "on" : "off"], ["exit"] + exitWords,
            ["on"] + Self.words(switchedOn), ["off"] + Self.words(switchedOff),
        ]
        return lines.map { $0.joined(separator: " ") + "\n" }.joined()
    }

    /// Reads `text`.
    ///
    /// - Throws: `RouteIntentError` for anything that `text` would not write.
    public init(text: String) throws(RouteIntentError) {
        guard text.utf8.last == UInt8(ascii: "\n") else { throw RouteIntentError("its last line is cut off") }
        let lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first.map(String.init) == Self.header else {
            throw RouteIntentError("it does not begin with \"\(Self.header)\"")
        }
        guard lines.count == 5 else { throw RouteIntentError("it has \(lines.count) lines, not 5") }
        var names = 0
        func words(_ index: Int, _ field: String) throws(RouteIntentError) -> [String] {
            let words = lines[index].split(separator: " ", omittingEmptySubsequences: false)
            guard words.first.map(String.init) == field else {
                throw RouteIntentError("line \(index + 1) does not begin with \"\(field)\"")
            }
            names += words.count
            guard names <= Self.mostNames else { throw RouteIntentError("it has too many names") }
            return words.dropFirst().map(String.init)
        }
        switch try words(1, "default") {
        case ["on"]: isDefaultOn = true
        case ["off"]: isDefaultOn = false
        default: throw RouteIntentError("line 2 says neither \"on\" nor \"off\"")
        }
        let exitWords = try words(2, "exit")
        let exitNames = try Self.names(exitWords.dropFirst(), line: 3)
        switch (exitWords.first, exitNames.isEmpty) {
        case ("off", true): exit = .off
        case ("auto", _): exit = .automatic(except: Set(exitNames))
        case ("use", false): exit = .use(exitNames)
        default: throw RouteIntentError("line 3 is none of \"exit off\", \"exit auto NAME...\", \"exit use NAME...\"")
        }
        switchedOn = Set(try Self.names(try words(3, "on")[...], line: 4))
        switchedOff = Set(try Self.names(try words(4, "off")[...], line: 5))
    }

    private static func words(_ names: Set<String>) -> [String] { names.sorted().map { PercentEncoding.encode($0) } }

    private static func names(_ words: ArraySlice<String>, line: Int) throws(RouteIntentError) -> [String] {
        var names: [String] = []
        for word in words {
            guard let name = PercentEncoding.decode(word), (1...longestName).contains(name.utf8.count) else {
                throw RouteIntentError("line \(line) holds a word that is no name")
            }
            names.append(name)
        }
        guard Set(names).count == names.count else { throw RouteIntentError("line \(line) names something twice") }
        return names
    }
}

/// Why a text is no `RouteIntent`.
public struct RouteIntentError: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
