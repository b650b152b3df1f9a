import FoundationEssentials
import Testing

/// The architecture as a test.
struct ImportRulesTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }

    /// Files below a folder of the package, as paths relative to it; none if there is no such folder.
    private static func files(below folder: String) throws -> [String] {
        let start = root + "/" + folder
        guard FileManager.default.fileExists(atPath: start) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: start).sorted().filter { path in
            var isDirectory = false
            return FileManager.default.fileExists(atPath: "\(start)/\(path)", isDirectory: &isDirectory) && !isDirectory
        }
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: "\(root)/\(path)")), as: UTF8.self)
    }

    private static let sources: [SourceFile] = {
        do {
            return try files(below: "Sources").filter { $0.hasSuffix(".swift") }
                .map { SourceFile(path: $0, text: try text("Sources/" + $0)) }
        } catch {
            fatalError("Sources cannot be read: \(error)")
        }
    }()

    // MARK: - The package

    @Test func `every import follows the arrows`() {
        #expect(Self.sources.flatMap { $0.forbiddenImports() }.map(\.description) == [])
    }

    @Test func `every target of the table has sources, and every folder of sources is in the table`() throws {
        let folders = Set(try Self.files(below: "Sources").map { String($0.prefix { $0 != "/" }) })
        #expect(folders == Set(ImportRules.targets.map(\.name)))
    }

    @Test func `the arrows have no cycle`() {
        var known: Set<String> = []
        for target in ImportRules.targets {
            #expect(target.own.isSubset(of: known), "\(target.name) depends on a target that stands below it")
            known.insert(target.name)
        }
    }

    @Test func `pure targets read no clock and no randomness and wait for nothing`() {
        #expect(Self.sources.flatMap { $0.impurities() }.map(\.description) == [])
    }

    @Test func `the client files are there, so the exemptions mean something`() {
        let paths = Set(Self.sources.map(\.path))
        #expect(ImportRules.clients.subtracting(paths) == [])
    }

    @Test func `what breaks structure or hides errors says why`() {
        #expect(Self.sources.flatMap { $0.unexplained() }.map(\.description) == [])
    }

    @Test func `no file names a folder of the machine it was written on`() throws {
        let needle = "/" + "work" + "/"
        let top = try FileManager.default.contentsOfDirectory(atPath: Self.root).filter { name in
            var isDirectory = false
            let exists = FileManager.default.fileExists(atPath: "\(Self.root)/\(name)", isDirectory: &isDirectory)
            // Package.resolved is not part of the repository.
            return exists && !isDirectory && !name.hasPrefix(".git") && name != "Package.resolved"
        }
        let below = try ["Sources", "Tests", "docs", "scripts", ".ci"].flatMap { folder in
            try Self.files(below: folder).map { "\(folder)/\($0)" }
        }
        try #require(!below.isEmpty)
        var found: [String] = []
        for path in top + below where !path.contains("__pycache__") {
            for (index, line) in try Self.text(path).split(separator: "\n", omittingEmptySubsequences: false)
                .enumerated()
            where line.contains(needle) {
                found.append("\(path):\(index + 1): names \(needle)")
            }
        }
        #expect(found == [])
    }

    // MARK: - The rules themselves

    @Test(arguments: [
        ("import NIOCore", "NIOCore"), ("public import Foundation", "Foundation"), ("@testable import ICE", "ICE"),
        ("  import struct Glibc.timespec", "Glibc"), ("@_spi(X) package import GRDB", "GRDB"),
    ])
    func `a forbidden import is found in every form`(line: String, module: String) {
        let file = SourceFile(path: "MeshModel/X.swift", text: "// top\n" + line)
        #expect(
            file.forbiddenImports() == [
                Violation(file: "Sources/MeshModel/X.swift", line: 2, problem: "MeshModel must not import \(module)")
            ]
        )
    }

    @Test func `an allowed import passes, an unknown target does not`() {
        #expect(SourceFile(path: "ICE/X.swift", text: "public import MeshModel").forbiddenImports() == [])
        #expect(SourceFile(path: "New/X.swift", text: "").forbiddenImports().count == 1)
    }

    @Test(arguments: [
        "let t = ContinuousClock().now", "let t: Instant = .now", "let d = Date()", "Int.random(in: 0..<4)",
        "var g = SystemRandomNumberGenerator()", "await x()", "Task { }", "x.randomElement()", "x.shuffled()",
    ])
    func `an impurity is found in pure targets alone`(line: String) {
        #expect(SourceFile(path: "AgentCore/X.swift", text: line).impurities().count == 1)
        #expect(SourceFile(path: "WGKernel/DevicePlan.swift", text: line).impurities().count == 1)
        #expect(SourceFile(path: "WGKernel/WireGuardDevice.swift", text: line).impurities() == [])
        #expect(SourceFile(path: "Agent/X.swift", text: line).impurities() == [])
        #expect(SourceFile(path: "AgentCore/X.swift", text: "// " + line).impurities() == [])
    }

    @Test func `names that only begin alike and injected generators are left alone`() {
        let text = """
            handle(input, at: now)
            let x = y.nowhere
            let awaited = 1
            Taskless()
            Int.random(in: (0..<4), using: &generator)
            x.shuffled(
                using: &generator
            )
            """
        #expect(SourceFile(path: "AgentCore/X.swift", text: text).impurities() == [])
    }

    @Test(arguments: [
        "let x = try? y()", "final class A: @unchecked Sendable {}", "Task { }", "Task.detached { }",
        "let l = NSLock()",
        "let m = Mutex(0)",
    ])
    func `a construct that needs a reason is found unless one stands beside it`(line: String) {
        #expect(SourceFile(path: "Agent/X.swift", text: "\n" + line).unexplained().count == 1)
        #expect(SourceFile(path: "Agent/X.swift", text: line + "  // because").unexplained() == [])
        #expect(SourceFile(path: "Agent/X.swift", text: "// because\n" + line).unexplained() == [])
        #expect(SourceFile(path: "MeshProto/Generated/x.pb.swift", text: line).unexplained() == [])
    }
}
