import MeshModel
import Testing
import WGKernel

@testable import WGTool

struct TransferRateTests {
    @Test func `a rate is what came between two looks, by the time between them`() {
        var meter = RateMeter()
        let start = ContinuousClock.now
        var device = sampleDevice()
        #expect(meter.measure(device, at: start).isEmpty)
        device.peers[1].receivedBytes += 3000
        device.peers[1].sentBytes += 1
        let rates = meter.measure(device, at: start + .seconds(2))
        #expect(rates[publicKey(keyQ)] == TransferRate(received: 1500, sent: 1))
        #expect(rates[publicKey(keyP)] == TransferRate(received: 0, sent: 0))
        var page = ShowText(style: ShowStyle(), nowSeconds: 1065) { _ in nil }
        page.append(device, rates: rates)
        #expect(page.text.string.contains("\n  rate: 1.46 KiB/s received, 1 B/s sent\n"))
    }

    @Test func `counters that start anew and peers that are new have no rate`() {
        var meter = RateMeter()
        let start = ContinuousClock.now
        var device = sampleDevice()
        device.peers.removeFirst()
        _ = meter.measure(device, at: start)
        device = sampleDevice()
        device.peers[1].receivedBytes = 0
        #expect(meter.measure(device, at: start + .seconds(1)).isEmpty)
        #expect(meter.measure(device, at: start + .seconds(1)).isEmpty)
        #expect(meter.measure(device, at: start + .seconds(2)).count == 2)
    }
}
