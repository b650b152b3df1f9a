import MeshProto

/// Who listens for signal messages, under which key. Keeps messages only until their receiver has read them.
///
/// A receiver that does not read costs nobody else anything: its queue is bounded in bytes, and at the bound its stream
/// ends, as it would if a stock server waited for it in vain. Source: spec/wire/signal.md 3 and 4.
actor SignalRegistry {
    /// One open stream.
    struct Registration: Sendable {
        let key: String
        /// Tells this stream from an older or newer one of the same key.
        let number: UInt64
        let messages: AsyncStream<Signalexchange_EncryptedMessage>
        /// At most one element: why the server ends the stream.
        let ending: AsyncStream<Ending>
    }

    enum Ending: Sendable, Hashable {
        case registeredAgain
        case tooSlow
    }

    enum Delivery: Sendable, Hashable {
        case queued
        /// Nobody listens under that key, or no longer: no error, there is no delivery feedback in this protocol.
        case absent
        /// All queues together are full.
        case overloaded
    }

    private struct Receiver {
        let number: UInt64
        let messages: AsyncStream<Signalexchange_EncryptedMessage>.Continuation
        let ending: AsyncStream<Ending>.Continuation
        var queuedBytes = 0
    }

    private let receiverBudgetBytes: Int
    private let totalBudgetBytes: Int
    private var receivers: [String: Receiver] = [:]
    private var lastNumber: UInt64 = 0
    private var totalBytes = 0

    /// - Parameter receiverBudgetBytes: 16 MiB hold the offers of thirty Rosenpass peers (524 kB each) at once.
    /// - Parameter totalBudgetBytes: bounds what strangers can make the server hold, as anybody may register any key.
    init(receiverBudgetBytes: Int = 16 << 20, totalBudgetBytes: Int = 256 << 20) {
        self.receiverBudgetBytes = receiverBudgetBytes
        self.totalBudgetBytes = totalBudgetBytes
    }

    /// From now on messages for `key` go to this stream; an older one of the same key ends.
    func register(_ key: String) -> Registration {
        if let older = receivers[key] { end(key, older, .registeredAgain) }
        lastNumber += 1
        let (messages, messageSink) = AsyncStream<Signalexchange_EncryptedMessage>.makeStream()
        let (ending, endingSink) = AsyncStream<Ending>.makeStream(bufferingPolicy: .bufferingOldest(1))
        receivers[key] = Receiver(number: lastNumber, messages: messageSink, ending: endingSink)
        return Registration(key: key, number: lastNumber, messages: messages, ending: ending)
    }

    /// The stream is over, for whatever reason. A newer one of the same key stays.
    func unregister(_ registration: Registration) {
        guard let receiver = receivers[registration.key], receiver.number == registration.number else { return }
        remove(registration.key, receiver)
    }

    func deliver(_ message: Signalexchange_EncryptedMessage) -> Delivery {
        let key = message.remoteKey
        guard var receiver = receivers[key] else { return .absent }
        let bytes = Self.cost(of: message)
        guard totalBytes + bytes <= totalBudgetBytes else { return .overloaded }
        guard receiver.queuedBytes + bytes <= receiverBudgetBytes else {
            end(key, receiver, .tooSlow)
            return .absent
        }
        // A stream that vanished before it was served takes its queue along.
        if case .terminated = receiver.messages.yield(message) {
            remove(key, receiver)
            return .absent
        }
        receiver.queuedBytes += bytes
        totalBytes += bytes
        receivers[key] = receiver
        return .queued
    }

    /// The stream has taken one message from its queue and handed it to the transport.
    func didWrite(_ message: Signalexchange_EncryptedMessage, to registration: Registration) {
        guard receivers[registration.key]?.number == registration.number else { return }
        let bytes = Self.cost(of: message)
        receivers[registration.key]?.queuedBytes -= bytes
        totalBytes -= bytes
    }

    private func end(_ key: String, _ receiver: Receiver, _ reason: Ending) {
        receiver.ending.yield(reason)
        remove(key, receiver)
    }

    private func remove(_ key: String, _ receiver: Receiver) {
        receiver.messages.finish()
        receiver.ending.finish()
        totalBytes -= receiver.queuedBytes
        receivers[key] = nil
    }

    /// The body is nearly all; the rest stands for the two keys and the queue itself.
    private static func cost(of message: Signalexchange_EncryptedMessage) -> Int {
        message.body.count + message.key.utf8.count + message.remoteKey.utf8.count + 128
    }
}
