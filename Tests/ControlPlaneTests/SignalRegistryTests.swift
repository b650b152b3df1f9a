import Foundation
import MeshProto
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct SignalRegistryTests {
    @Test func `a full queue ends its stream and frees its bytes`() async {
        let registry = SignalRegistry(receiverBudgetBytes: 1000, totalBudgetBytes: 1000)
        let slow = await registry.register("slow")
        #expect(await registry.deliver(message(to: "slow", bodyBytes: 500)) == .queued)
        #expect(await registry.deliver(message(to: "slow", bodyBytes: 200)) == .queued)
        let other = await registry.register("other")
        // All queues together are full, which is nobody's fault yet.
        #expect(await registry.deliver(message(to: "other", bodyBytes: 500)) == .overloaded)
        await registry.unregister(slow)
        #expect(await registry.deliver(message(to: "slow", bodyBytes: 1)) == .absent)
        #expect(await registry.deliver(message(to: "other", bodyBytes: 500)) == .queued)
        await registry.unregister(other)
    }

    @Test func `who exceeds its own budget is ended, with the reason`() async {
        let registry = SignalRegistry(receiverBudgetBytes: 1000, totalBudgetBytes: 100_000)
        let slow = await registry.register("slow")
        #expect(await registry.deliver(message(to: "slow", bodyBytes: 500)) == .queued)
        #expect(await registry.deliver(message(to: "slow", bodyBytes: 500)) == .absent)
        var reasons: [SignalRegistry.Ending] = []
        for await reason in slow.ending { reasons.append(reason) }
        #expect(reasons == [.tooSlow])
    }

    @Test func `what was written makes room again`() async {
        let registry = SignalRegistry(receiverBudgetBytes: 1000, totalBudgetBytes: 1000)
        let registration = await registry.register("a")
        var messages = registration.messages.makeAsyncIterator()
        for _ in 0..<10 {
            #expect(await registry.deliver(message(to: "a", bodyBytes: 800)) == .queued)
            guard let next = await messages.next() else {
                Issue.record("the queue ended")
                return
            }
            await registry.didWrite(next, to: registration)
        }
    }

    @Test func `a stream that vanished before it was served is forgotten`() async {
        let registry = SignalRegistry()
        _ = await registry.register("gone")
        #expect(await registry.deliver(message(to: "gone", bodyBytes: 1)) == .absent)
    }

    @Test func `the end of an older stream leaves the newer one alone`() async {
        let registry = SignalRegistry()
        let older = await registry.register("a")
        let newer = await registry.register("a")
        await registry.unregister(older)
        #expect(await registry.deliver(message(to: "a", bodyBytes: 1)) == .queued)
        #expect(newer.number > older.number)
    }

    private func message(to key: String, bodyBytes: Int) -> Signalexchange_EncryptedMessage {
        var message = Signalexchange_EncryptedMessage()
        message.remoteKey = key
        message.body = Data(count: bodyBytes)
        return message
    }
}
