import MeshModel

let routesUsage =
    "{ list | select [-a] <network>... | select all | deselect <network>... | deselect all } [--json] "
    + "[--socket <path>] [--instance <name>]"
let exitUsage =
    "{ list | use <exit node>[,<exit node>...] | auto | off } [--json] [--socket <path>] [--instance <name>]"

let routesHelp = """
      list                   the networks that are offered, whether they are on, and who carries them
      select NETWORK...      these of the offered networks and no others; -a: these too
      select all             as if nothing had ever been said: networks on, exit node automatic
      deselect NETWORK...    these off
      deselect all           everything off, exit nodes and networks of the future included
      -a, --append           see select
      --json                 print JSON

    """
let exitHelp = """
      list                   the exit nodes that are offered, the one in use and why, and the health of gateways
      use NODE[,NODE...]     the first of these that works; a comma within a name is \\,
      auto                   what the control plane asks for, the first that works
      off                    none
      --json                 print JSON

    """
let routeStatusHelp =
    "Exit status: 0 done, 1 a name is unknown (the rest is done), 2 usage, 3 no agent answers, 10 not root.\n"

/// `routes`: lists networks, switches them on and off.
func changeRoutes(_ invocation: Invocation) async -> Int32 {
    await askAboutRoutes(invocation, usage: routesUsage, requestLine: routesRequest)
}

/// `exit`: lists exit nodes, chooses among them.
func chooseExit(_ invocation: Invocation) async -> Int32 {
    await askAboutRoutes(invocation, usage: exitUsage, requestLine: exitRequest)
}

private func askAboutRoutes(
    _ invocation: Invocation,
    usage: String,
    requestLine: (inout Invocation) -> String?
) async -> Int32 {
    var invocation = invocation
    do throws(CommandFailure) {
        let options = try AgentOptions(&invocation)
        guard let line = requestLine(&invocation) else {
            invocation.complainUsage(usage)
            return ExitStatus.usage.rawValue
        }
        guard line.utf8.count < longestRequest else {
            throw CommandFailure(.usage, "too many names for one command; give them in several")
        }
        return try AgentClient(path: options.socketPath).run(line)
    } catch {
        complain("wgctl: \(error)")
        return error.status.rawValue
    }
}

/// What the agent reads of a line.
private let longestRequest = 4096

/// - Returns: the agent's line; `nil` for bad usage.
func routesRequest(_ invocation: inout Invocation) -> String? {
    let format = invocation.take(flag: "--json") ? "json" : "text"
    let short = invocation.take(flag: "-a")
    let isAppending = invocation.take(flag: "--append") || short
    let names = Array(invocation.arguments.dropFirst())
    guard !isAppending || invocation.arguments.first == "select" else { return nil }
    switch (invocation.arguments.first ?? "list", names) {
    case ("list", []): return "routes list \(format)"
    case ("select", ["all"]): return isAppending ? nil : "routes select \(format) all"
    case ("deselect", ["all"]): return "routes deselect \(format) all"
    case ("select", _): return line("routes select \(format) \(isAppending ? "append" : "replace")", names)
    case ("deselect", _): return line("routes deselect \(format) names", names)
    default: return nil
    }
}

/// - Returns: the agent's line; `nil` for bad usage.
func exitRequest(_ invocation: inout Invocation) -> String? {
    let format = invocation.take(flag: "--json") ? "json" : "text"
    let names = invocation.arguments.dropFirst().flatMap(commaSeparated)
    switch (invocation.arguments.first ?? "list", names) {
    case ("list", []): return "exit list \(format)"
    case ("auto", []): return "exit auto \(format)"
    case ("off", []): return "exit off \(format)"
    case ("use", _): return line("exit use \(format)", names)
    default: return nil
    }
}

/// `\,` and `\\` are a comma and a backslash within a name.
private func commaSeparated(_ argument: String) -> [String] {
    var names = [""]
    var characters = argument[...]
    while let character = characters.popFirst() {
        if character == "," {
            names.append("")
        } else if character == "\\", let next = characters.first, next == "," || next == "\\" {
            names[names.count - 1].append(next)
            characters = characters.dropFirst()
        } else {
            names[names.count - 1].append(character)
        }
    }
    return names
}

/// The words and the names, encoded so that each stays one word.
private func line(_ words: String, _ names: [String]) -> String? {
    guard !names.isEmpty, !names.contains("") else { return nil }
    return words + names.map { " " + PercentEncoding.encode($0) }.joined()
}
