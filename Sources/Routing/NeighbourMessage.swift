import CNetlink
import MeshModel
import NetlinkWire

/// `struct ndmsg` and its attributes.
enum NeighbourMessage {
    /// Of both families, without proxies.
    static func dump() -> [UInt8] { [UInt8](repeating: 0, count: headerBytes) }

    static func encode(_ neighbour: Neighbour) -> [UInt8] {
        var header: [UInt8] = [RouteMessage.family(isV4: neighbour.address.isV4), 0, 0, 0]
        header.appendInteger(neighbour.linkIndex)
        header.appendInteger(neighbour.state)
        header += [0, 0]  // ndm_flags, ndm_type
        var message = AttributeEncoder(header: header)
        message.append(Int(NDA_DST), bytes: neighbour.address.bytes)
        if let linkAddress = neighbour.linkAddress { message.append(Int(NDA_LLADDR), bytes: linkAddress) }
        return message.bytes
    }

    /// - Returns: `nil` for other families, such as bridge entries.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> Neighbour? {
        guard payload.count >= headerBytes, let family = payload.integer(at: 0, as: UInt8.self),
            let index = payload.integer(at: 4, as: UInt32.self), let state = payload.integer(at: 8, as: UInt16.self)
        else { throw DecodeError("ndmsg: \(payload.count) bytes, expected at least \(headerBytes)") }
        guard [RouteMessage.family(isV4: true), RouteMessage.family(isV4: false)].contains(family) else { return nil }
        var address: IPAddress?
        var linkAddress: [UInt8]?
        try AttributeDecoder.forEach(payload.dropFirst(headerBytes)) { attribute throws(DecodeError) in
            switch Int32(attribute.type) {
            case Int32(NDA_DST): address = try attribute.address("NDA_DST")
            case Int32(NDA_LLADDR): linkAddress = Array(attribute.payload)
            default: break
            }
        }
        guard let address else { throw DecodeError("missing", path: ["NDA_DST"]) }
        return Neighbour(linkIndex: index, address: address, linkAddress: linkAddress, state: state)
    }

    private static let headerBytes = 12
}
