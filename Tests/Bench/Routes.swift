import CNetlink
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing

/// Lines for `ip -batch`, one host route each.
func printBatch(routes count: Int, linkName: String) {
    var text: [UInt8] = []
    for index in 0..<count {
        text += "route add 10.\(index >> 16 & 0xff).\(index >> 8 & 0xff).\(index & 0xff)/32 dev \(linkName)\n".utf8
    }
    write(text)
}

/// Does what `ip -batch` does with a file of `printBatch`: reads, adds, reads on.
func addRoutes(path: String) async throws {
    let network = HostNetwork(transport: try MainThreadNetlinkSocket())
    var indices: [[UInt8]: UInt32] = [:]
    for link in try await network.links() { indices[Array(link.name.utf8)] = link.index }
    var operations: [RoutingOperation] = []
    try await forEachLine(of: path) { line in
        let words = line.split(separator: UInt8(ascii: " "))
        guard words.count == 5, let destination = IPPrefix(text: words[2]), let index = indices[Array(words[4])] else {
            throw BenchError(reason: "not understood: \(String(decoding: line, as: UTF8.self))")
        }
        let target = Route.Target.hop(Route.Hop(linkIndex: index))
        operations.append(.addRoute(Route(to: destination, scope: UInt8(RT_SCOPE_LINK.rawValue), target: target)))
        if operations.count < 1000 { return }
        try await network.apply(operations)
        operations.removeAll(keepingCapacity: true)
    }
    try await network.apply(operations)
}
