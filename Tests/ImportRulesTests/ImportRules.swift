/// The arrows of docs/architecture.md: what each target may import, in dependency order.
///
/// Exact: an import that is not listed fails, even if Package.swift would let it build.
enum ImportRules {
    struct Target {
        let name: String
        /// Targets of this package; each stands earlier in the list.
        let own: Set<String>
        /// Modules of other packages and of the system.
        let foreign: Set<String>
    }

    static let targets: [Target] = [
        Target(name: "CNL", own: [], foreign: []),
        Target(name: "CNetlink", own: ["CNL"], foreign: []),
        Target(name: "CDatagram", own: [], foreign: []),
        Target(name: "CSodium", own: [], foreign: []),
        Target(name: "FileStatus", own: [], foreign: ["Glibc"]),
        Target(name: "MeshModel", own: [], foreign: []),
        Target(name: "NetlinkWire", own: ["CNetlink"], foreign: []),
        Target(name: "ICE", own: ["MeshModel"], foreign: ["Crypto"]),
        Target(name: "RelayWire", own: ["MeshModel"], foreign: ["Crypto"]),
        Target(name: "Routing", own: ["CNetlink", "MeshModel", "NetlinkWire"], foreign: []),
        Target(name: "WGKernel", own: ["CNetlink", "MeshModel", "NetlinkWire"], foreign: []),
        Target(name: "AgentCore", own: ["ICE", "MeshModel", "RelayWire", "Routing"], foreign: []),
        Target(name: "MapCompiler", own: ["MeshModel"], foreign: []),
        Target(name: "WGTool", own: ["MeshModel", "WGKernel"], foreign: []),
        Target(name: "NetlinkSocket", own: ["CNetlink", "NetlinkWire"], foreign: ["Dispatch", "Glibc"]),
        Target(
            name: "MeshProto",
            own: ["CSodium", "MeshModel"],
            foreign: ["Foundation", "FoundationEssentials", "GRPCCore", "GRPCProtobuf", "SwiftProtobuf"]
        ),
        Target(
            name: "Agent",
            own: [
                "AgentCore", "CNetlink", "ICE", "MeshModel", "MeshProto", "NetlinkSocket", "NetlinkWire",
                "RelayWire", "Routing", "WGKernel",
            ],
            foreign: [
                "Dispatch", "FoundationEssentials", "GRPCCore", "GRPCNIOTransportHTTP2Posix", "Glibc", "Logging",
                "NIOCore", "NIOHTTP1", "NIOPosix", "NIOSSL", "NIOWebSocket", "ServiceLifecycle", "UnixSignals",
            ]
        ),
        Target(
            name: "ControlPlane",
            own: ["CDatagram", "CSodium", "FileStatus", "MapCompiler", "MeshModel", "MeshProto", "RelayWire"],
            foreign: [
                "Crypto", "Dispatch", "Foundation", "FoundationEssentials", "GRDB", "GRPCCore",
                "GRPCNIOTransportHTTP2Posix",
                "GRPCProtobuf", "Glibc", "Logging", "NIOCore", "NIOHTTP1", "NIOHTTP2", "NIOPosix", "NIOSSL",
                "ServiceLifecycle", "SwiftProtobuf", "Synchronization", "UnixSignals",
            ]
        ),
        Target(name: "CommandLineSupport", own: ["MeshModel"], foreign: ["ArgumentParser", "Glibc"]),
        Target(
            name: "wgmesh-agent",
            own: ["Agent", "CommandLineSupport", "MeshModel"],
            foreign: ["ArgumentParser", "Glibc", "Logging"]
        ),
        Target(
            name: "wgmesh-server",
            own: ["CommandLineSupport", "ControlPlane", "MeshModel", "MeshProto", "RelayWire"],
            foreign: ["ArgumentParser", "Foundation", "Glibc", "Logging"]
        ),
        Target(
            name: "wgctl",
            own: [
                "CSodium", "MeshModel", "NetlinkSocket", "NetlinkWire", "Routing", "WGKernel", "WGTool",
            ],
            foreign: ["Dispatch", "Glibc"]
        ),
    ]

    /// Targets whose code reads no clock and no randomness and waits for nothing.
    static let pure: Set<String> = [
        "AgentCore", "ICE", "MapCompiler", "MeshModel", "NetlinkWire", "RelayWire", "Routing", "WGKernel", "WGTool",
    ]
    /// The client of each kernel target, which talks to the kernel and therefore waits, and the seam that it talks through.
    static let clients: Set<String> = [
        "NetlinkWire/NetlinkTransport.swift", "Routing/HostNetwork+Links.swift", "Routing/HostNetwork+Nftables.swift",
        "Routing/HostNetwork+Routing.swift", "Routing/HostNetwork.swift", "WGKernel/WireGuardDevice.swift",
        "WGKernel/WireGuardDevice+AllowedIPRemoval.swift",
    ]
}

/// One broken rule, as it is printed: `Sources/ICE/ICEAgent.swift:12: reads a clock: .now`.
struct Violation: Hashable, CustomStringConvertible {
    let file: String
    /// From 1.
    let line: Int
    let problem: String
    var description: String { "\(file):\(line): \(problem)" }
}

/// A Swift file under Sources, named `Target/Name.swift` or deeper.
struct SourceFile {
    let path: String
    let lines: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    var target: String { String(path.prefix { $0 != "/" }) }
    var isGenerated: Bool { path.contains("/Generated/") }

    /// Imports that the table does not allow.
    func forbiddenImports() -> [Violation] {
        guard let target = ImportRules.targets.first(where: { $0.name == target }) else {
            return [violation(0, "target \(target) is not in the table of ImportRules.swift")]
        }
        let importLine =
            #/^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|typealias|func|var|let)\s+)?(\w+)/#
        return lines.enumerated().compactMap { index, line in
            guard let match = line.prefixMatch(of: importLine) else { return nil }
            let module = String(match.1)
            let isAllowed = target.own.contains(module) || target.foreign.contains(module)
            return isAllowed ? nil : violation(index, "\(target.name) must not import \(module)")
        }
    }

    /// Clocks, randomness and waiting in targets that promise to have none.
    func impurities() -> [Violation] {
        guard ImportRules.pure.contains(target), !ImportRules.clients.contains(path) else { return [] }
        let patterns: [(Regex<Substring>, String)] = [
            (#/\.now\b/#, "reads a clock"),
            (#/\bDate\(/#, "reads a clock"),
            (#/\bSystemRandomNumberGenerator\b/#, "makes random choices"),
            (#/\bawait\b/#, "waits"),
            (#/\bTask\b/#, "starts tasks"),
        ]
        return lines.enumerated().flatMap { index, line in
            let code = codePart(of: line)
            let found = patterns.compactMap { pattern, problem in
                code.firstMatch(of: pattern).map { violation(index, "\(problem): \($0.output)") }
            }
            return found + randomCalls(index)
        }
    }

    /// Calls that draw from the system's generator: those that do not pass one of their own (`using:`).
    private func randomCalls(_ index: Int) -> [Violation] {
        let call = #/\.random\(|\.randomElement\(|\.shuffled?\(/#
        return codePart(of: lines[index]).matches(of: call).compactMap { match in
            // A call may go on for a few lines; its end is where its parentheses close.
            let rest = [lines[index][match.range.upperBound...]] + lines[(index + 1)...].prefix(8).map { $0[...] }
            var depth = 1
            let arguments = rest.joined(separator: "\n").prefix { character in
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                return depth > 0
            }
            return arguments.contains("using:") ? nil : violation(index, "makes random choices: \(match.output)")
        }
    }

    /// Constructs that need a sentence of why beside them.
    func unexplained() -> [Violation] {
        if isGenerated { return [] }
        let patterns: [Regex<Substring>] = [
            #/\btry\?/#, #/@unchecked\s+Sendable/#, #/\bTask\s*\{/#, #/\bTask\.detached\b/#, #/\bNSLock\b/#,
            #/\bMutex\b/#,
        ]
        return lines.enumerated().compactMap { index, line in
            let found = patterns.compactMap { codePart(of: line).firstMatch(of: $0)?.output }.first
            guard let found, !line.contains("//"), index == 0 || !lines[index - 1].contains("//") else { return nil }
            return violation(index, "\(found) without a comment that says why")
        }
    }

    /// The line without its `//` comment. A `//` inside a string (a URL) ends the search early, which misses nothing that
    /// the rules look for.
    private func codePart(of line: String) -> Substring {
        guard let comment = line.firstRange(of: "//") else { return line[...] }
        return line[..<comment.lowerBound]
    }

    private func violation(_ index: Int, _ problem: String) -> Violation {
        Violation(file: "Sources/\(path)", line: index + 1, problem: problem)
    }
}
