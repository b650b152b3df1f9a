import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing

/// IPv4 addresses, one per line.
func printAddresses(count: Int, offset: Int) {
    var text: [UInt8] = []
    for index in offset..<offset + count {
        text += "10.\(index >> 16 & 0xff).\(index >> 8 & 0xff).\(index & 0xff)\n".utf8
    }
    write(text)
}

/// Makes the addresses of a file all that `set inet bench addresses` holds, in one transaction.
func swapElements(path: String) async throws {
    let set = NftablesSet(
        NftablesName(NftablesTableName(.inet, "bench"), "addresses"),
        key: NftablesKeyType(.ipv4Address)
    )
    var batch = NftablesBatch([.flushSet(set.name)])
    let pieceCount = 1000
    var elements: [NftablesElement] = []
    elements.reserveCapacity(pieceCount)
    var reader = try LineReader(path: path)
    while try reader.next({ line throws(BenchError) in elements.append(NftablesElement(try address(line))) }) {
        if elements.count < pieceCount { continue }
        batch.append(.addElements(set, elements))
        elements.removeAll(keepingCapacity: true)
    }
    batch.append(.addElements(set, elements))
    let socket = try MainThreadNetlinkSocket(withNetfilter: true)
    // Never closed by us: closing waits until the kernel has freed the elements that went (`nft_rcv_nl_event`), and the end
    // of the process has other work to do meanwhile.
    _ = Unmanaged.passRetained(socket)
    try await HostNetwork(transport: socket).commit(batch)
}

private func address(_ line: Span<UInt8>) throws(BenchError) -> IPAddress {
    if let address = IPAddress(text: line) { return address }
    throw BenchError(reason: "not an address: " + String(decoding: line.indices.map { line[$0] }, as: UTF8.self))
}
