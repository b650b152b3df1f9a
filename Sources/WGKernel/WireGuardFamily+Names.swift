import NetlinkWire

extension WireGuardFamily {
    /// What the attributes of `WG_CMD_SET_DEVICE` are called, for errors that point at one.
    static let attributeNames = AttributeNames.table([
        Device.index: .init("WGDEVICE_A_IFINDEX"),
        Device.name: .init("WGDEVICE_A_IFNAME"),
        Device.privateKey: .init("WGDEVICE_A_PRIVATE_KEY"),
        Device.publicKey: .init("WGDEVICE_A_PUBLIC_KEY"),
        Device.listenPort: .init("WGDEVICE_A_LISTEN_PORT"),
        Device.fwmark: .init("WGDEVICE_A_FWMARK"),
        Device.peers: .init("WGDEVICE_A_PEERS", .list(peerNames)),
    ])

    private static let peerNames = AttributeNames.table([
        Peer.publicKey: .init("WGPEER_A_PUBLIC_KEY"),
        Peer.presharedKey: .init("WGPEER_A_PRESHARED_KEY"),
        Peer.flags: .init("WGPEER_A_FLAGS"),
        Peer.endpoint: .init("WGPEER_A_ENDPOINT"),
        Peer.keepalive: .init("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"),
        Peer.protocolVersion: .init("WGPEER_A_PROTOCOL_VERSION"),
        Peer.allowedIPs: .init("WGPEER_A_ALLOWEDIPS", .list(allowedIPNames)),
    ])

    private static let allowedIPNames = AttributeNames.table([
        AllowedIP.address: .init("WGALLOWEDIP_A_IPADDR"),
        AllowedIP.length: .init("WGALLOWEDIP_A_CIDR_MASK"),
        AllowedIP.flags: .init("WGALLOWEDIP_A_FLAGS"),
    ])
}
