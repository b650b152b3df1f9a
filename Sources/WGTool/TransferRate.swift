package import MeshModel
package import WGKernel

/// Bytes per second between two looks at a peer.
package struct TransferRate: Hashable, Sendable {
    package var received: UInt64
    package var sent: UInt64
}

/// Tells rates from counters: deliver each snapshot once, in order of time.
package struct RateMeter: Sendable {
    private struct Look {
        let time: ContinuousClock.Instant
        let counters: [PublicKey: (received: UInt64, sent: UInt64)]
    }

    /// By interface.
    private var looks: [String: Look] = [:]

    package init() {}

    /// - Returns: a rate for each peer that was there at the last look and whose counters did not start anew since.
    package mutating func measure(
        _ device: DeviceSnapshot,
        at now: ContinuousClock.Instant
    ) -> [PublicKey: TransferRate] {
        let counters = Dictionary(
            device.peers.map { ($0.publicKey, (received: $0.receivedBytes, sent: $0.sentBytes)) },
            uniquingKeysWith: { first, _ in first }
        )
        defer { looks[device.name] = Look(time: now, counters: counters) }
        guard let last = looks[device.name], now > last.time else { return [:] }
        let seconds = (now - last.time) / .seconds(1)
        var rates: [PublicKey: TransferRate] = [:]
        for (key, counter) in counters {
            guard let before = last.counters[key], before.received <= counter.received, before.sent <= counter.sent
            else { continue }
            rates[key] = TransferRate(
                received: perSecond(counter.received - before.received, seconds),
                sent: perSecond(counter.sent - before.sent, seconds)
            )
        }
        return rates
    }
}

/// A quotient beyond 64 bits, which no link reaches, counts as the largest number.
private func perSecond(_ bytes: UInt64, _ seconds: Double) -> UInt64 {
    UInt64(exactly: (Double(bytes) / seconds).rounded()) ?? .max
}
