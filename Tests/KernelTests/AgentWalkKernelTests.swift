import AgentWalk
import Foundation
import Testing

/// Ring 4: random steps of the whole agent on a real kernel. AgentTests take many more on one in memory.
@Suite(.enabled(if: kernelTestsAreWanted, "set WGMESH_KERNEL_TESTS=1, see docs/testing.md"), .serialized)
struct AgentWalkKernelTests {
    @Test func `random steps leave the kernel as the model says`() async throws {
        let environment = ProcessInfo.processInfo.environment
        let steps = environment["WGMESH_WALK_STEPS"].flatMap(Int.init) ?? 200
        let seed = environment["WGMESH_WALK_SEED"].flatMap(UInt64.init) ?? .random(in: 1...1_000_000)
        print("walk of \(steps) steps, WGMESH_WALK_SEED=\(seed)")
        let namespace = try KernelNamespace()
        var walk = AgentWalk(seed: seed, transport: namespace.transport)
        for step in 0..<steps {
            let (what, problems) = try await walk.step()
            guard problems.isEmpty else {
                Issue.record("seed \(seed), step \(step), \(what): \(problems.joined(separator: "; "))")
                return
            }
        }
        #expect((walk.counts["repair"] ?? 0) * 10 > steps, "\(walk.counts)")
    }
}
