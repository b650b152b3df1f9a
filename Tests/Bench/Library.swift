import Glibc
import MeshModel
import NetlinkWire
import WGKernel
import WGTool

/// Prints the figures that need no kernel.
func measureLibrary() throws {
    let small = 1_000
    let large = 10_000
    // Ten small devices have as many peers as the large one, so neither finds more of them in the processor's cache.
    let count = large / small
    printFigure("plan-peers", median { planTime(peers: large, devices: 1) }, unit: "ms")
    let linear = median { planTime(peers: large, devices: 1) / planTime(peers: small, devices: count) * Double(count) }
    printFigure("plan-linear", linear, unit: "times as long for 10 times the peers")

    var device = sampleDevice(peers: large)
    let operations = plan(
        current: device,
        desired: configuration(of: sampleDevice(peers: large, changed: 1)),
        endpointLedger: ledger(of: device)
    )
    let messages = DeviceOperation.encode(operations, interface: "wg0")
    printFigure("one-peer-messages", Double(messages.count), unit: "messages")
    printFigure("one-peer-bytes", Double(messages.map(\.count).reduce(0, +)), unit: "bytes")

    var text = ByteText()
    text.appendConfiguration(of: device) { _ in nil }
    let configurationText = text.bytes
    let parse = try median {
        try milliseconds { _ = try ConfigParser.parse(configurationText, surroundings: NoHost()) }
    }
    printFigure("parse-configuration", parse, unit: "ms")

    var change = try ConfigParser.parse(configurationText, surroundings: NoHost())
    change.resetUnnamed()
    let encode = median { milliseconds { _ = DeviceOperation.encode(change.operations, interface: "wg0") } }
    printFigure("encode-peers", encode, unit: "ms")

    // What the kernel is sent differs from what it reports in nothing that the decoder reads.
    let replies = DeviceOperation.encode(change.operations, interface: "wg0").map { attributes in
        NetlinkMessage(type: 0, payload: GenericNetlinkHeader(command: 0, version: 1).encode() + attributes)
    }
    device = try DeviceSnapshot.decode(replies)
    let decode = try median { try milliseconds { _ = try DeviceSnapshot.decode(replies) } }
    printFigure("decode-peers", decode, unit: "ms")

    let dump = median {
        milliseconds {
            var text = ByteText()
            text.append(.dump, of: device, withName: true) { _ in nil }
        }
    }
    printFigure("print-dump", dump, unit: "ms")

    change = try ConfigParser.parse(configurationText, surroundings: NoHost())
    let sync = median { milliseconds { _ = syncPlan(current: device, configuration: change) } }
    printFigure("sync-plan", sync, unit: "ms")
}

/// For all devices together, each with half the peers new, and half of the rest changed.
private func planTime(peers count: Int, devices: Int) -> Double {
    let inputs = (0..<devices).map { _ in
        let current = sampleDevice(peers: count / 2)
        let desired = configuration(of: sampleDevice(peers: count, changed: count / 4))
        return (current: current, desired: desired, ledger: ledger(of: current))
    }
    return milliseconds {
        for input in inputs {
            _ = plan(current: input.current, desired: input.desired, endpointLedger: input.ledger)
        }
    }
}

/// As if we had set every endpoint that the device has.
private func ledger(of device: DeviceSnapshot) -> [PublicKey: Endpoint] {
    Dictionary(uniqueKeysWithValues: device.peers.map { ($0.publicKey, $0.endpoint) }).compactMapValues(\.self)
}

private func configuration(of device: DeviceSnapshot) -> DeviceConfiguration {
    guard let key = device.privateKey else { preconditionFailure("a sample device has a key") }
    var configuration = DeviceConfiguration(privateKey: key, listenPort: device.listenPort)
    for peer in device.peers {
        configuration.peers[peer.publicKey] = PeerConfiguration(
            publicKey: peer.publicKey,
            endpoint: peer.endpoint,
            allowedIPs: Set(peer.allowedIPs),
            persistentKeepaliveSeconds: peer.persistentKeepaliveSeconds
        )
    }
    return configuration
}

/// Samples have numbers for everything.
private struct NoHost: ConfigSurroundings {
    mutating func warn(_ line: ByteText) {}

    mutating func resolve(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>
    ) throws(ValueError) -> ScopedEndpoint {
        guard let endpoint = Endpoint(text: text) else { throw ValueError("No host", text) }
        return ScopedEndpoint(endpoint: endpoint)
    }

    mutating func port(of service: [UInt8]) throws(ValueError) -> UInt16 {
        guard let port = UInt16(String(decoding: service, as: UTF8.self)) else { throw ValueError("No port", service) }
        return port
    }
}

/// Processor time, so that what else runs on the machine does not count.
private func milliseconds<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Double {
    let start = processorMilliseconds()
    try body()
    return processorMilliseconds() - start
}

private func processorMilliseconds() -> Double {
    var time = timespec()
    precondition(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, "a process has no clock")
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Of 7 measurements.
private func median<Failure: Error>(_ measure: () throws(Failure) -> Double) throws(Failure) -> Double {
    var values: [Double] = []
    for _ in 0..<7 { values.append(try measure()) }
    return values.sorted()[3]
}

/// One line of scripts/bench; there is no other program to compare with.
private func printFigure(_ name: String, _ value: Double, unit: String) {
    let thousandths = (value * 1000).rounded() / 1000
    let line =
        #"{"name":"\#(name)","ours":\#(thousandths),"peer":null,"peer_name":null,"ratio":null,"unit":"\#(unit)"}"#
    write(Array((line + "\n").utf8))
}
