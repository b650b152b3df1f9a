import MeshModel
import NetlinkWire

@testable import Routing

/// An object of the kernel's routing tables, as a dump or a monitor gets it; the first byte chooses its kind.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    guard let choice = input.first else { return 0 }
    let payload = input.dropFirst()
    do throws(DecodeError) {
        switch choice % 6 {
        case 0: _ = try LinkMessage.decode(payload)
        case 1: _ = try AddressMessage.decode(payload)
        case 2:
            guard let route = try RouteMessage.decodeRoute(payload) else { break }
            _ = "\(route)"
            let again = try RouteMessage.decodeRoute(RouteMessage.encode(route)[...])
            require(again?.destination == route.destination.network, "a route's destination does not survive encoding")
        case 3:
            guard let rule = try RuleMessage.decode(payload) else { break }
            _ = "\(rule)"
        case 4:
            guard let nexthop = try NexthopMessage.decode(payload) else { break }
            _ = "\(nexthop)"
        default:
            guard let neighbour = try NeighbourMessage.decode(payload) else { break }
            _ = "\(neighbour)"
        }
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
