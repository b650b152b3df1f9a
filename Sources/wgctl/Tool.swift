import Glibc
import WGTool

/// How the program was called.
struct Invocation {
    /// The name it was called by, with its path; messages begin with it.
    let program: String
    let verb: String
    /// What follows the verb.
    var arguments: [String]

    /// Called as `wg` it is wg(8) and nothing more: scripts must not notice.
    var isWG: Bool { program.split(separator: "/").last == "wg" }

    /// Takes an option out of the arguments; under the name `wg` there are none.
    ///
    /// - Returns: whether it was there.
    mutating func take(flag: String) -> Bool {
        guard !isWG, let index = arguments.firstIndex(of: flag) else { return false }
        arguments.remove(at: index)
        return true
    }

    /// Takes an option and the argument after it out of the arguments.
    ///
    /// - Returns: `nil`: it is not there; an empty text: nothing follows it.
    mutating func take(option: String) -> String? {
        guard !isWG, let index = arguments.firstIndex(of: option) else { return nil }
        let value = index + 1 < arguments.count ? arguments[index + 1] : ""
        arguments.removeSubrange(index..<min(index + 2, arguments.count))
        return value
    }

    /// Prints the usage of the verb on standard error.
    func complainUsage(_ text: String) { complain("Usage: \(program) \(verb)\(text.isEmpty ? "" : " " + text)") }
}

/// One subcommand.
struct Verb: Sendable {
    let name: String
    /// For `help`: what it does, in one line.
    let summary: String
    /// What follows the verb.
    let usage: String
    /// What it can do beyond wg(8), for `VERB --help`.
    var more: String = ""
    /// Whether wg(8) has it.
    var isOfWG = false
    /// - Returns: the exit status.
    let run: @Sendable (Invocation) async -> Int32
}

/// All subcommands, in the order of `help`; the first of them is meant if none is given.
let verbs: [Verb] = [
    Verb(
        name: "show",
        summary: "Shows the current configuration and device information",
        usage: showUsage,
        more: """
              --json                 print JSON, in the shape of wg-json
              --watch                keep showing, with rates per peer, until interrupted
              --interval SECONDS     how often --watch looks, 1 to 3600 (default: 1)

            """,
        isOfWG: true,
        run: show
    ),
    Verb(
        name: "showconf",
        summary: "Shows the current configuration of a given WireGuard interface, for use with `setconf'",
        usage: "<interface>",
        more: "  --json                 print JSON, keys included\n",
        isOfWG: true,
        run: showConfiguration
    ),
    Verb(
        name: "set",
        summary: "Change the current configuration, add peers, remove peers, or change peers",
        usage: setUsage,
        more: "  An allowed IP after + or - is added to or removed from what the peer holds.\n",
        isOfWG: true,
        run: set
    ),
    Verb(
        name: "setconf",
        summary: "Applies a configuration file to a WireGuard interface",
        usage: configurationUsage,
        isOfWG: true,
        run: setConfiguration
    ),
    Verb(
        name: "addconf",
        summary: "Appends a configuration file to a WireGuard interface",
        usage: configurationUsage,
        isOfWG: true,
        run: addConfiguration
    ),
    Verb(
        name: "syncconf",
        summary: "Synchronizes a configuration file to a WireGuard interface",
        usage: configurationUsage,
        isOfWG: true,
        run: syncConfiguration
    ),
    Verb(
        name: "genkey",
        summary: "Generates a new private key and writes it to stdout",
        usage: "",
        isOfWG: true,
        run: generateKey
    ),
    Verb(
        name: "genpsk",
        summary: "Generates a new preshared key and writes it to stdout",
        usage: "",
        isOfWG: true,
        run: generateKey
    ),
    Verb(
        name: "pubkey",
        summary: "Reads a private key from stdin and writes a public key to stdout",
        usage: "",
        isOfWG: true,
        run: derivePublicKey
    ),
    Verb(
        name: "plan",
        summary: "Prints the commands by which syncconf, or the agent, would change the kernel, and changes nothing",
        usage: planUsage,
        more: """
              --json                 print JSON
            The interface is named by the file if it is left out. Keys of wg-quick are passed over.
            Exit status: 0 nothing would change, 1 something would, 2 trouble.
            Without a file the agent is asked what it would change now: link, peers, routes, rules, nftables, settings.
            Exit status then: 0 it answered, 3 no agent answers, 5 it waits for its first network map.

            """,
        run: planConfiguration
    ),
    Verb(
        name: "diff",
        summary: "Prints the commands that turn one interface or configuration file into another",
        usage: diffUsage,
        more: """
              --json                 print JSON
            A name with a slash in it, or ending in .conf, is a file.
            Exit status: 0 they are equal, 1 they differ, 2 trouble.

            """,
        run: diffConfigurations
    ),
    Verb(
        name: "monitor",
        summary: "Prints every change of WireGuard links, peers, addresses, routes and rules until interrupted",
        usage: monitorUsage,
        more: """
              --json                 print JSON, one object per line
              --interval SECONDS     how often devices and peers are read, of which the kernel tells nothing, 0 (never) to
                                     3600 (default: 1)

            """,
        run: monitorHost
    ),
    Verb(
        name: "status",
        summary: "Asks the agent how it is, or why the way to a peer is the one it is",
        usage: statusUsage,
        more: statusHelp + agentOptionsHelp
            + "Exit status: 0 all is well, 1 no or more than one such peer, 3 no agent answers, 4 it is not registered,\n"
            + "5 something is wrong.\n",
        run: askStatus
    ),
    Verb(
        name: "routes",
        summary: "Lists the networks behind other peers, and switches them on and off",
        usage: routesUsage,
        more: routesHelp + agentOptionsHelp + routeStatusHelp,
        run: changeRoutes
    ),
    Verb(
        name: "exit",
        summary: "Lists the exit nodes, and chooses which one carries all other traffic",
        usage: exitUsage,
        more: exitHelp + agentOptionsHelp + routeStatusHelp,
        run: chooseExit
    ),
    Verb(
        name: "drain",
        summary: "Asks the clients of this gateway to go elsewhere, and tells who still uses it",
        usage: drainUsage,
        more: drainHelp + agentOptionsHelp
            + "Exit status: 0 nobody uses it any more, 3 no agent answers, 5 somebody still does, 10 not root.\n",
        run: drainGateway
    ),
    Verb(
        name: "undrain",
        summary: "Serves clients as ever again",
        usage: historyUsage,
        more: "      --json                 print JSON\n" + agentOptionsHelp,
        run: undrainGateway
    ),
    Verb(
        name: "history",
        summary: "Shows what the agent changed in the kernel, when and why; repairs are marked",
        usage: historyUsage,
        more: "      --json                 print JSON\n" + agentOptionsHelp,
        run: askHistory
    ),
    Verb(
        name: "why",
        summary: "Explains where a packet to an address goes now, or why it goes nowhere",
        usage: whyUsage,
        more: "      --json                 print JSON\n      --from ADDRESS         as sent from this address\n"
            + "      --mark MARK            as sent from a socket with this mark\n" + agentOptionsHelp
            + "Exit status: 0 it goes, 1 it goes nowhere, 5 it may not arrive.\n",
        run: explainAddress
    ),
    Verb(
        name: "doctor",
        summary: "Looks for what keeps the mesh from working on this host, with the remedy for each",
        usage: doctorUsage,
        more: "      --json                 print JSON\n      --state-dir PATH       the agent's state directory\n"
            + agentOptionsHelp + "Exit status: 0 nothing or only notes, 5 something is or will be wrong.\n",
        run: diagnose
    ),
    Verb(
        name: "up",
        summary: "Tells the agent to connect, which it remembers across restarts",
        usage: upUsage,
        more: agentOptionsHelp,
        run: connectAgent
    ),
    Verb(
        name: "down",
        summary: "Takes the tunnel down: by the agent, or directly if none runs",
        usage: downUsage,
        more: agentOptionsHelp
            + """
              --interface LINK       what to remove when no agent runs (default: wgm0)
              --state-dir PATH       where that agent kept its state (default: /var/lib/wgmesh[/INSTANCE])
            Without an agent it removes exactly what is ours: the link if it bears our mark (its alias), our routes, rules
            and nftables table, and puts back the kernel's settings. Exit status: 10 not root, 17 the link is somebody
            else's.

            """,
        run: takeDown
    ),
]

/// Runs the verb that the command line names.
///
/// - Returns: the exit status.
func runVerb(_ commandLine: [String]) async -> Int32 {
    let program = commandLine.first ?? "wgctl"
    var invocation = Invocation(
        program: program,
        verb: commandLine.dropFirst().first ?? verbs[0].name,
        arguments: Array(commandLine.dropFirst(2))
    )
    if commandLine.count == 2, let status = answerHelp(invocation) { return status }
    guard let verb = verbs.first(where: { $0.name == invocation.verb && ($0.isOfWG || !invocation.isWG) }) else {
        complain("Invalid subcommand: `\(invocation.verb)'")
        _ = writeAll(Array(helpText(invocation).utf8), to: STDERR_FILENO)
        return EXIT_FAILURE
    }
    if invocation.take(flag: "--help") || invocation.take(flag: "-h") {
        let usage = "Usage: \(program) \(verb.name) \(verb.usage)\n\n\(verb.summary).\n\(verb.more)"
        return printing(Array(usage.utf8), invocation)
    }
    return await verb.run(invocation)
}

/// Prints on standard output.
///
/// - Returns: the exit status. wg(8) does not look whether anything arrived.
func printing(_ bytes: [UInt8], _ invocation: Invocation) -> Int32 {
    let code = writeAll(bytes, to: STDOUT_FILENO)
    if code == 0 || invocation.isWG { return EXIT_SUCCESS }
    complain("\(invocation.program): standard output: \(errorText(code))")
    return EXIT_FAILURE
}

/// As of bytes; the text, which may hold keys, is then overwritten and empty.
func printing(_ text: inout ByteText, _ invocation: Invocation) -> Int32 {
    defer { text.wipe() }
    return printing(text.bytes, invocation)
}

private func answerHelp(_ invocation: Invocation) -> Int32? {
    switch invocation.verb {
    case "-h", "--help", "help": printing(Array(helpText(invocation).utf8), invocation)
    case "-v", "--version", "version":
        // Scripts compare the version of wg(8) with what they need of it: we do all of this one.
        printing(Array((invocation.isWG ? wgVersion : ownVersion).utf8), invocation)
    default: nil
    }
}

private func helpText(_ invocation: Invocation) -> String {
    var text = "Usage: \(invocation.program) <cmd> [<args>]\n\nAvailable subcommands:\n"
    for verb in verbs where verb.isOfWG || !invocation.isWG { text += "  \(verb.name): \(verb.summary)\n" }
    return text + "You may pass `--help' to any of these subcommands to view usage.\n"
}

private let wgVersion = "wireguard-tools v1.0.20210914 - https://git.zx2c4.com/wireguard-tools/\n"
private let ownVersion = "wgctl of wgmesh, does what wg of wireguard-tools v1.0.20210914 does\n"

let showUsage = """
    { <interface> | all | interfaces } [public-key | private-key | listen-port | fwmark | peers | preshared-keys | \
    endpoints | allowed-ips | latest-handshakes | transfer | persistent-keepalive | dump]
    """
let setUsage = """
    <interface> [listen-port <port>] [fwmark <mark>] [private-key <file path>] [peer <base64 public key> [remove] \
    [preshared-key <file path>] [endpoint <ip>:<port>] [persistent-keepalive <interval seconds>] \
    [allowed-ips <ip1>/<cidr1>[,<ip2>/<cidr2>]...] ]...
    """
let configurationUsage = "<interface> <configuration filename>"
