import CNetlink
public import MeshModel
public import NetlinkWire

/// Taking single allowed IPs away (`WGALLOWEDIP_F_REMOVE_ME`): kernels from 6.16 on can, older ones get whole lists.
extension WireGuardDevice {
    /// Applies the plan from `current` to `desired`, with single removals where the kernel can.
    ///
    /// - Returns: what was applied.
    /// - Throws: `NetlinkError` as `apply`. Parameters as of `changes`.
    @discardableResult
    public func reconcile(
        from current: DeviceSnapshot,
        to desired: DeviceConfiguration,
        endpointLedger: [PublicKey: Endpoint]
    ) async throws(NetlinkError) -> [DeviceOperation] {
        let operations = try await changes(from: current, to: desired, endpointLedger: endpointLedger)
        try await apply(operations)
        return operations
    }

    /// The plan from `current` to `desired`, with single removals where the kernel can.
    ///
    /// It is asked only if something is to be taken away, and each time anew: the module may be another one by then, and
    /// the question is one small message.
    ///
    /// - Parameter endpointLedger: as of `plan`.
    /// - Throws: `NetlinkError` as `apply`.
    public func changes(
        from current: DeviceSnapshot,
        to desired: DeviceConfiguration,
        endpointLedger: [PublicKey: Endpoint]
    ) async throws(NetlinkError) -> [DeviceOperation] {
        let operations = plan(
            current: current,
            desired: desired,
            endpointLedger: endpointLedger,
            removesAllowedIPs: true
        )
        if let key = operations.firstSingleRemoval, let peer = current.peers.first(where: { $0.publicKey == key }),
            try await !removesAllowedIPs(asking: peer)
        {
            return plan(current: current, desired: desired, endpointLedger: endpointLedger)
        }
        return operations
    }

    /// Whether the kernel takes single allowed IPs away.
    ///
    /// Nothing but the kernel's answer tells: the policy that generic netlink can dump (`genl ctrl policy name wireguard`)
    /// says of `WGDEVICE_A_PEERS` that it is nested, and no more, and a version number says nothing about what a distribution took over. So it is asked to take away
    /// what `peer` does not hold, which changes nothing whatever the answer.
    ///
    /// - Parameter peer: as the device holds it. If it is gone by now the answer is `true`, and a removal from it is
    ///   skipped as this question was.
    /// - Throws: `NetlinkError` as `apply`.
    public func removesAllowedIPs(asking peer: PeerSnapshot) async throws(NetlinkError) -> Bool {
        var question = PeerChange(publicKey: peer.publicKey, updateOnly: true)
        question.removedAllowedIPs = [absentPrefix(from: peer.allowedIPs)]
        do throws(NetlinkError) {
            try await apply([.setPeer(question)])
            return true
        } catch {
            // An attribute that the kernel does not know.
            guard error.code == EINVAL else { throw error }
            return false
        }
    }
}

extension [DeviceOperation] {
    /// The first peer that loses a single allowed IP.
    fileprivate var firstSingleRemoval: PublicKey? {
        for case .setPeer(let change) in self where !change.removedAllowedIPs.isEmpty { return change.publicKey }
        return nil
    }
}

/// A v4 host that is not among the prefixes.
private func absentPrefix(from prefixes: [IPPrefix]) -> IPPrefix {
    let held = Set(prefixes)
    var bits = UInt32.max
    while true {
        let bytes = withUnsafeBytes(of: bits.bigEndian) { Array($0) }
        if let address = IPAddress(bytes: bytes) {
            let prefix = IPPrefix(host: address)
            if !held.contains(prefix) { return prefix }
        }
        bits -= 1
    }
}
