import Agent
import Logging
import MeshModel
import TestSupport
import Testing

/// Values that many tests share.
enum Sample {
    static let own = identity(2)
    static let peer = identity(1)
    static let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// The key pair whose private half is 32 times `byte`.
    static func identity(_ byte: UInt8) -> Identity {
        guard let key = PrivateKey(bytes: [UInt8](repeating: byte, count: 32)) else {
            preconditionFailure("a private key has 32 bytes")
        }
        return Identity(privateKey: key)
    }

    static func configuration(
        management: String = "http://127.0.0.1:1",
        setupKey: String? = nil,
        stateDirectory: String = "/nowhere",
        socketPath: String = "/nowhere.sock"
    ) throws(AgentFailure) -> AgentConfiguration {
        var flags = AgentFlags()
        flags.managementURL = management
        flags.setupKey = setupKey
        flags.stateDirectory = stateDirectory
        flags.socket = socketPath
        return try AgentConfiguration(flags: flags, environment: [:], hostname: "host") { _ in "" }
    }
}

extension Agent<FakeKernel> {
    /// What `wgctl` is told. An answer may wait for a pass, which nobody else makes in a test without `run`.
    func ask(_ line: String) async throws -> StatusResponse {
        let request = try #require(AgentRequest(line: Array(line.utf8)))
        return try await withThrowingTaskGroup(of: StatusResponse?.self) { group in
            group.addTask { await self.answer(request) }
            group.addTask {
                while !Task.isCancelled {
                    await self.pass()
                    await Task.yield()
                }
                return nil
            }
            let answer = try await group.next() ?? nil
            group.cancelAll()
            return try #require(answer)
        }
    }
}
