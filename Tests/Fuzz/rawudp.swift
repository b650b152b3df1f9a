import MeshModel

/// A packet on the raw sockets. `RawUDPPacket.swift` is compiled into this program.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let packet = bytes(start, count)
    if let datagram = RawUDPPacket.decodeIPv4(packet, port: 51820) {
        require(datagram.local.port == 51820, "a datagram for port \(datagram.local.port)")
        require(datagram.bytes.count <= packet.count - 28, "a payload longer than its packet")
    }
    return 0
}
