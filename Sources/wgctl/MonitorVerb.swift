import Glibc
import NetlinkSocket
import NetlinkWire
import Routing
import WGKernel
import WGTool

let monitorUsage = "[--json] [--interval <0 to 3600 seconds>]"

/// `monitor`: a line for every change of WireGuard links, their configuration and peers, their addresses and routes, and
/// of routing rules, until interrupted.
///
/// What changed is read, not told: several changes between two looks are told as their outcome, and none is lost when the
/// kernel drops events. It tells of links, addresses, routes and rules at once; of devices and peers it tells nobody, so
/// they are read again and again.
func monitorHost(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    let intervalText = invocation.take(option: "--interval")
    guard invocation.arguments.isEmpty, let seconds = Int(intervalText ?? "1"), (0...3600).contains(seconds) else {
        invocation.complainUsage(monitorUsage)
        return EXIT_FAILURE
    }
    do throws(NetlinkError) {
        // Before the first look, so that nothing falls between the two.
        let monitor = try NetlinkMonitor(kinds: [.link, .address, .route, .rule])
        var view = HostView(transport: try NetlinkSocket(), followsDevices: seconds > 0)
        try await view.lookAtNetwork()
        await view.lookAtDevices(invocation)
        return try await withLooks(events: monitor.events, seconds: seconds) { look throws(NetlinkError) in
            let old = view.facts
            if look == .network { try await view.lookAtNetwork() }
            await view.lookAtDevices(invocation)
            let now = timestamp(secondsSince1970: Int64(time(nil)))
            let lines = HostFactChange.changes(from: old, to: view.facts).map {
                $0.line(time: now, isJSON: isJSON) + "\n"
            }
            return lines.isEmpty || printing(Array(lines.joined().utf8), invocation) == EXIT_SUCCESS
        }
    } catch {
        complain("\(invocation.program): \(error)")
        return EXIT_FAILURE
    }
}

/// Which part of the host is due to be read.
private enum Look: Sendable { case network, devices, nothing }

/// Calls `body` after every event and every `seconds`, one call after the other; 0: after events only.
///
/// - Parameter body: `false` ends it.
/// - Returns: the exit status.
private func withLooks(
    events: AsyncStream<NetlinkMonitor.Event>,
    seconds: Int,
    _ body: (Look) async throws(NetlinkError) -> Bool
) async throws(NetlinkError) -> Int32 {
    let result = await withTaskGroup(of: Look.self) { group -> Result<Int32, NetlinkError> in
        func waitForEvent() {
            group.addTask {
                for await _ in events { return .network }
                return .nothing
            }
        }
        func waitForTime() {
            group.addTask {
                do { try await Task.sleep(for: .seconds(seconds)) } catch { return .nothing }
                return .devices
            }
        }
        waitForEvent()
        if seconds > 0 { waitForTime() }
        while let look = await group.next() {
            do throws(NetlinkError) {
                guard try await body(look) else {
                    group.cancelAll()
                    return .success(EXIT_FAILURE)
                }
            } catch {
                group.cancelAll()
                return .failure(error)
            }
            switch look {
            case .network: waitForEvent()
            case .devices: waitForTime()
            case .nothing: break
            }
        }
        return .success(EXIT_SUCCESS)
    }
    return try result.get()
}

/// What is so of the host, as of the last looks.
private struct HostView {
    let transport: NetlinkSocket
    /// Until the kernel says that we may not read them.
    var followsDevices: Bool
    private var network: Set<HostFact> = []
    /// By name.
    private var devices: [String: DeviceSnapshot] = [:]
    private var deviceFacts: [String: Set<HostFact>] = [:]
    private var linkNames: [String] = []

    init(transport: NetlinkSocket, followsDevices: Bool) {
        self.transport = transport
        self.followsDevices = followsDevices
    }

    var facts: Set<HostFact> { deviceFacts.values.reduce(into: network) { $0.formUnion($1) } }

    mutating func lookAtNetwork() async throws(NetlinkError) {
        let host = HostNetwork(transport: transport)
        linkNames = try await host.wireGuardLinkNames()
        network = []
        for name in linkNames {
            let snapshot = try await host.snapshot(linkName: name)
            guard let link = snapshot.link else { continue }
            network.insert(HostFact(.link, "\(name) \(link.isUp ? "up" : "down") mtu \(link.mtuBytes)"))
            for address in snapshot.addresses(of: link) {
                network.insert(HostFact(.address, "\(address.prefix) dev \(name)"))
            }
            for route in snapshot.routes {
                let metric = route.metric == 0 ? "" : " metric \(route.metric)"
                let text = "\(route.destination) dev \(name) table \(route.table) proto \(route.routeProtocol)\(metric)"
                network.insert(HostFact(.route, text))
            }
        }
        for rule in try await host.rules() {
            network.insert(HostFact(.rule, "\(rule.isV4 ? "inet" : "inet6") \(rule)"))
        }
    }

    mutating func lookAtDevices(_ invocation: Invocation) async {
        if !followsDevices { return }
        for name in devices.keys where !linkNames.contains(name) {
            devices[name] = nil
            deviceFacts[name] = nil
        }
        for name in linkNames {
            do throws(NetlinkError) {
                let device = try await WireGuardDevice(name: name, transport: transport).snapshot()
                if devices[name]?.isConfigured(as: device) != true {
                    deviceFacts[name] = HostFact.facts(of: device, linkNames: KernelDevices.linkName)
                }
                devices[name] = device
            } catch {
                // A link that went since we listed them: its event is on the way. The same goes for one that is not
                // WireGuard's any more.
                if error.isNoSuchDevice || error.isNotSupported { continue }
                complain("\(invocation.program): devices and peers are not followed: \(error)")
                followsDevices = false
                devices = [:]
                deviceFacts = [:]
                return
            }
        }
    }
}

extension DeviceSnapshot {
    /// Whether the facts of the two are the same; spares the making of ten thousand texts.
    fileprivate func isConfigured(as other: DeviceSnapshot) -> Bool {
        guard publicKey == other.publicKey, listenPort == other.listenPort, fwmark == other.fwmark,
            peers.count == other.peers.count
        else { return false }
        return zip(peers, other.peers).allSatisfy { old, new in
            old.publicKey == new.publicKey && old.presharedKey == new.presharedKey && old.endpoint == new.endpoint
                && old.endpointScope == new.endpointScope && old.allowedIPs == new.allowedIPs
                && old.persistentKeepaliveSeconds == new.persistentKeepaliveSeconds
        }
    }
}
