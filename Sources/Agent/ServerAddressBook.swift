@preconcurrency import Dispatch  // queues are thread-safe, but not marked Sendable on Linux
import Glibc
package import MeshModel
import NIOCore
import NIOPosix

/// Why a server's name has no address: the resolver's own words.
package struct LookupFailure: Error, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// The addresses of the control plane's servers: asked of the system's resolver, remembered for when it does not answer.
///
/// The resolver's own sockets cannot be marked: behind an exit node that is dead it is silent, just when the servers are
/// needed most. Then the addresses of last time are served, stale or not.
package actor ServerAddressBook {
    /// The resolver's answer, in its order; blocks.
    package typealias Lookup = @Sendable (_ host: String) -> Result<[IPAddress], LookupFailure>

    /// What each name stood for the last time, at most `maximumAddresses` each.
    package private(set) var known: [String: [IPAddress]]
    /// At most one question for each name, however long the resolver takes.
    private var questions: [String: EventLoopFuture<[IPAddress]>] = [:]
    private let lookUp: Lookup
    private let maximumAddresses: Int
    private let eventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.any()

    /// How long a resolver may be silent before what is known is served instead.
    private static let patience = TimeAmount.seconds(2)
    /// Where nothing is known: longer than a resolver's first two attempts (resolv.conf(5), 5 s each).
    private static let longPatience = TimeAmount.seconds(12)

    package init(
        known: [String: [IPAddress]] = [:],
        maximumAddresses: Int = 8,
        lookUp: @escaping Lookup = systemLookup
    ) {
        self.known = known
        self.maximumAddresses = maximumAddresses
        self.lookUp = lookUp
    }

    /// - Returns: at least one; those of last time if the resolver fails or is silent.
    /// - Throws: `LookupFailure` if there are none of last time either.
    package func addresses(of host: String) async throws(LookupFailure) -> [IPAddress] {
        if let address = IPAddress(host) { return [address] }
        let question = questions[host] ?? ask(host)
        questions[host] = question
        let limited = eventLoop.makePromise(of: [IPAddress].self)
        question.cascade(to: limited)
        let limit = known[host] == nil ? Self.longPatience : Self.patience
        // Completing a promise for the second time does nothing.
        let alarm = eventLoop.scheduleTask(in: limit) { limited.fail(Silence()) }
        defer { alarm.cancel() }
        do {
            let addresses = try await limited.futureResult.get()
            questions[host] = nil
            known[host] = addresses
            return addresses
        } catch {
            // A question without an answer goes on; whoever asks next may find one.
            if !(error is Silence) { questions[host] = nil }
            if let last = known[host] { return last }
            throw error as? LookupFailure ?? LookupFailure("cannot look up \(host): the resolver does not answer")
        }
    }

    private struct Silence: Error {}

    private func ask(_ host: String) -> EventLoopFuture<[IPAddress]> {
        let promise = eventLoop.makePromise(of: [IPAddress].self)
        // A thread of Dispatch's: it makes more when some are blocked, unlike Swift's own.
        DispatchQueue.global().async { [lookUp, maximumAddresses] in
            switch lookUp(host) {
            case .success(let addresses) where addresses.isEmpty:
                promise.fail(LookupFailure("cannot look up \(host): it has no address"))
            case .success(let addresses): promise.succeed(Array(addresses.prefix(maximumAddresses)))
            case .failure(let failure): promise.fail(failure)
            }
        }
        return promise.futureResult
    }
}

/// getaddrinfo(3): hosts file, DNS and whatever else nsswitch.conf(5) names, in the order of RFC 6724.
package let systemLookup: ServerAddressBook.Lookup = { host in
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, nil, &hints, &list)
    guard status == 0 else {
        let words = status == EAI_SYSTEM ? errorText(errno) : String(cString: gai_strerror(status))
        return .failure(LookupFailure("cannot look up \(host): \(words)"))
    }
    defer { freeaddrinfo(list) }
    var addresses: [IPAddress] = []
    var next = list
    while let entry = next?.pointee {
        if let address = address(of: entry), !addresses.contains(address) { addresses.append(address) }
        next = entry.ai_next
    }
    return .success(addresses)
}

private func address(of entry: addrinfo) -> IPAddress? {
    guard let socketAddress = entry.ai_addr else { return nil }
    switch entry.ai_family {
    case AF_INET:
        return socketAddress.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
            withUnsafeBytes(of: pointer.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
        }
    case AF_INET6:
        return socketAddress.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
            withUnsafeBytes(of: pointer.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
        }
    default: return nil
    }
}
