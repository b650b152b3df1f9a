import AgentWalk
import TestSupport
import Testing

/// The whole agent on a kernel in memory; KernelTests walk on a real one.
@Suite struct AgentWalkTests {
    @Test(arguments: [1, 20_261_123])
    func `5,000 random steps leave the kernel as the model says, each`(seed: UInt64) async throws {
        var walk = AgentWalk(seed: seed, transport: FakeKernel())
        var story: [String] = []
        for step in 0..<5_000 {
            let (what, problems) = try await walk.step()
            story = story.suffix(5) + [what]
            guard problems.isEmpty else {
                let end = story.joined(separator: ", ")
                Issue.record("seed \(seed), step \(step): \(problems.joined(separator: "; ")); the end of it: \(end)")
                return
            }
        }
        // A walk that never got anywhere would prove nothing.
        #expect(walk.counts.count > 15 && (walk.counts["repair"] ?? 0) > 500, "\(walk.counts)")
    }
}
