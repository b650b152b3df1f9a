import CNetlink

/// Names and numbers of the generic netlink family `wireguard`. Source: linux/wireguard.h.
public enum WireGuardFamily {
    public static let name = WG_GENL_NAME
    static let version = UInt8(WG_GENL_VERSION)
    static let getDevice = UInt8(WG_CMD_GET_DEVICE.rawValue)
    static let setDevice = UInt8(WG_CMD_SET_DEVICE.rawValue)

    /// `WG_KEY_LEN`.
    static let keyBytes = Int(WG_KEY_LEN)

    /// `WGDEVICE_A_*`.
    enum Device {
        static let index = Int(WGDEVICE_A_IFINDEX.rawValue)
        static let name = Int(WGDEVICE_A_IFNAME.rawValue)
        static let privateKey = Int(WGDEVICE_A_PRIVATE_KEY.rawValue)
        static let publicKey = Int(WGDEVICE_A_PUBLIC_KEY.rawValue)
        static let listenPort = Int(WGDEVICE_A_LISTEN_PORT.rawValue)
        static let flags = Int(WGDEVICE_A_FLAGS.rawValue)
        static let fwmark = Int(WGDEVICE_A_FWMARK.rawValue)
        static let peers = Int(WGDEVICE_A_PEERS.rawValue)
    }

    /// `WGDEVICE_F_*`.
    enum DeviceFlag {
        static let replacePeers = WGDEVICE_F_REPLACE_PEERS.rawValue
    }

    /// `WGPEER_A_*`.
    enum Peer {
        static let publicKey = Int(WGPEER_A_PUBLIC_KEY.rawValue)
        static let presharedKey = Int(WGPEER_A_PRESHARED_KEY.rawValue)
        static let flags = Int(WGPEER_A_FLAGS.rawValue)
        static let endpoint = Int(WGPEER_A_ENDPOINT.rawValue)
        static let keepalive = Int(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL.rawValue)
        static let lastHandshake = Int(WGPEER_A_LAST_HANDSHAKE_TIME.rawValue)
        static let receivedBytes = Int(WGPEER_A_RX_BYTES.rawValue)
        static let sentBytes = Int(WGPEER_A_TX_BYTES.rawValue)
        static let allowedIPs = Int(WGPEER_A_ALLOWEDIPS.rawValue)
        static let protocolVersion = Int(WGPEER_A_PROTOCOL_VERSION.rawValue)
    }

    /// `WGPEER_F_*`.
    enum PeerFlag {
        static let removeMe = WGPEER_F_REMOVE_ME.rawValue
        static let replaceAllowedIPs = WGPEER_F_REPLACE_ALLOWEDIPS.rawValue
        static let updateOnly = WGPEER_F_UPDATE_ONLY.rawValue
    }

    /// `WGALLOWEDIP_A_*`.
    enum AllowedIP {
        static let family = Int(WGALLOWEDIP_A_FAMILY.rawValue)
        static let address = Int(WGALLOWEDIP_A_IPADDR.rawValue)
        static let length = Int(WGALLOWEDIP_A_CIDR_MASK.rawValue)
        static let flags = Int(CNETLINK_WGALLOWEDIP_A_FLAGS)
        static let removeMe = UInt32(CNETLINK_WGALLOWEDIP_F_REMOVE_ME)
    }

    static let familyV4 = UInt16(CNETLINK_AF_INET)
    static let familyV6 = UInt16(CNETLINK_AF_INET6)
}
