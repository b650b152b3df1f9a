package import AgentCore
import MeshModel

/// A question or command of `wgctl routes` and `wgctl exit`.
///
/// A line of words: `routes` or `exit`, a verb, `text` or `json`, and names, percent-encoded (`PercentEncoding`), such as
/// `routes select text append office%20lan` and `exit use json berlin paris`.
package struct RouteRequest: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case listRoutes
        case listExitNodes
        case change(RouteCommand)
    }

    package var action: Action
    package var isJSON: Bool

    /// - Returns: `nil` for anything that is not exactly such a line.
    package init?(line: some Sequence<UInt8>) {
        guard let text = String(validating: Array(line), as: UTF8.self) else { return nil }
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count >= 3 else { return nil }
        switch words[2] {
        case "text": isJSON = false
        case "json": isJSON = true
        default: return nil
        }
        guard let action = Self.action(words[0], words[1], words[3...]) else { return nil }
        self.action = action
    }

    /// Whether it changes anything; such requests are root's alone.
    package var needsRoot: Bool {
        if case .change = action { true } else { false }
    }

    private static func action(_ object: Substring, _ verb: Substring, _ rest: ArraySlice<Substring>) -> Action? {
        switch (object, verb, rest.first) {
        case ("routes", "list", nil): return .listRoutes
        case ("exit", "list", nil): return .listExitNodes
        case ("exit", "auto", nil): return .change(.automaticExit)
        case ("exit", "off", nil): return .change(.noExit)
        case ("exit", "use", _?): return names(rest).map { .change(.useExit($0)) }
        case ("routes", "select", "all"?) where rest.count == 1: return .change(.selectAll)
        case ("routes", "select", "append"?):
            return names(rest.dropFirst()).map { .change(.select($0, append: true)) }
        case ("routes", "select", "replace"?):
            return names(rest.dropFirst()).map { .change(.select($0, append: false)) }
        case ("routes", "deselect", "all"?) where rest.count == 1: return .change(.deselectAll)
        case ("routes", "deselect", "names"?): return names(rest.dropFirst()).map { .change(.deselect($0)) }
        default: return nil
        }
    }

    /// - Returns: `nil` unless there is at least one, and each could be the name of a network.
    private static func names(_ words: ArraySlice<Substring>) -> [String]? {
        var names: [String] = []
        for word in words {
            guard let name = PercentEncoding.decode(word), (1...RouteIntent.longestName).contains(name.utf8.count)
            else {
                return nil
            }
            names.append(name)
        }
        return names.isEmpty ? nil : names
    }
}
