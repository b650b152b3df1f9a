import MeshModel

/// A packet on the raw ICMP sockets. `EchoPacket.swift` is compiled into this program.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let packet = bytes(start, count)
    if let reply = EchoPacket.decodeIPv4(packet, identifier: 0x1234) {
        require(reply.remote.isV4, "an IPv4 packet from \(reply.remote)")
        require(packet.count >= 28, "a reply in \(packet.count) bytes")
    }
    if let sender = IPAddress("fd00::1"), EchoPacket.decodeICMPv6(packet, from: sender, identifier: 0x1234) != nil {
        require(packet.starts(with: [129, 0]), "a reply of another type")
    }
    return 0
}
