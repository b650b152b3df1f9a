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
    let links = try await network.links()
    var reader = try LineReader(path: path)
    var operations: [RoutingOperation] = []
    // The link of the line before: mostly that of all lines.
    var link: (name: [UInt8], index: UInt32) = ([], 0)
    while let line = try reader.next() {
        guard let words = RouteLine(line), let destination = IPPrefix(text: words.destination) else {
            throw BenchError(reason: "not understood: \(String(decoding: line, as: UTF8.self))")
        }
        if !words.link.elementsEqual(link.name) {
            let name = String(decoding: words.link, as: UTF8.self)
            guard let found = links.first(where: { $0.name == name }) else {
                throw BenchError(reason: "no link \(name)")
            }
            link = (Array(words.link), found.index)
        }
        let target = Route.Target.hop(Route.Hop(linkIndex: link.index))
        operations.append(.addRoute(Route(to: destination, scope: UInt8(RT_SCOPE_LINK.rawValue), target: target)))
        if operations.count < 1000 { continue }
        try await network.apply(operations)
        operations.removeAll(keepingCapacity: true)
    }
    try await network.apply(operations)
}

/// `route add DESTINATION dev LINK`.
private struct RouteLine {
    var destination: ArraySlice<UInt8>
    var link: ArraySlice<UInt8>

    init?(_ line: ArraySlice<UInt8>) {
        var rest = line
        func word() -> ArraySlice<UInt8> {
            let word = rest.prefix { $0 != UInt8(ascii: " ") }
            rest = rest.dropFirst(word.count + 1)
            return word
        }
        guard word().elementsEqual("route".utf8), word().elementsEqual("add".utf8) else { return nil }
        destination = word()
        guard word().elementsEqual("dev".utf8) else { return nil }
        link = word()
        guard rest.isEmpty else { return nil }
    }
}
