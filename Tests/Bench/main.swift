import Glibc
import NetlinkWire

// The programs that scripts/bench measures against wg, ip and nft, and the figures of the library itself.
do {
    switch (CommandLine.arguments.dropFirst().first, CommandLine.arguments.dropFirst(2).map(\.self)) {
    case ("configuration", let words) where words.count == 2:
        try printConfiguration(peers: number(words[0]), changed: number(words[1]))
    case ("batch", let words) where words.count == 2: try printBatch(routes: number(words[0]), linkName: words[1])
    case ("addresses", let words) where words.count == 2:
        try printAddresses(count: number(words[0]), offset: number(words[1]))
    case ("routes", let words) where words.count == 1: try await addRoutes(path: words[0])
    case ("swap", let words) where words.count == 1: try await swapElements(path: words[0])
    case ("library", let words) where words.isEmpty: try measureLibrary()
    default:
        complain(
            """
            usage: wgmesh-bench configuration PEERS CHANGED | batch ROUTES LINK | addresses COUNT OFFSET | routes FILE \
            | swap FILE | library
            """
        )
        exit(2)
    }
} catch let error as BenchError {
    complain("wgmesh-bench: \(error.reason)")
    exit(1)
} catch {
    complain("wgmesh-bench: \(error)")
    exit(1)
}
