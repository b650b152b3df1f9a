package import MapCompiler
import MeshModel

/// What shall be true of a route; `nil` leaves it as it is, and a new one takes the default.
package struct RouteChange: Sendable {
    /// Who carries it, as an administrator names them: identifiers, names, or a peer's public key.
    package enum Routers: Sendable, Hashable {
        case peer(String)
        /// Not empty.
        case groups([String])
    }

    /// The name of the network, 1 to 40 characters without control characters. Needed for a new route.
    package var networkID: String?
    /// See `routeDestination`. Needed for a new route.
    package var destination: RouteDestination?
    /// Needed for a new route.
    package var routers: Routers?
    /// Groups that get the route. Needed for a new route, not empty.
    package var distributionGroups: [String]?
    /// Groups whose policies decide who may use it; empty: everybody who gets it.
    package var accessGroups: [String]?
    /// 1 to 9999.
    package var metric: Int?
    package var masquerade: Bool?
    package var keepRoute: Bool?
    package var isAutoApplied: Bool?
    package var isEnabled: Bool?

    package init() {}

    /// Whether it names nothing at all.
    package var isEmpty: Bool {
        networkID == nil && destination == nil && routers == nil && distributionGroups == nil && accessGroups == nil
            && metric == nil && masquerade == nil && keepRoute == nil && isAutoApplied == nil && isEnabled == nil
    }
}

/// Why a text is no route's destination or name: one line that ends in what to do.
package struct RouteTextError: Error, Hashable, CustomStringConvertible {
    package var description: String
}

/// Longest name of a network. Source: what stock servers take.
private let maximumNetworkIDCharacters = 40
/// Source: what stock servers take.
private let maximumDomains = 32

/// The network of a route. 0.0.0.0/0 makes an exit node; agents give it ::/0 as well.
///
/// - Throws: for a text that is no prefix, has host bits, or that no agent would route.
package func routeDestination(prefix text: String) throws(RouteTextError) -> RouteDestination {
    guard text.contains("/"), let prefix = IPPrefix(text) else {
        throw RouteTextError(description: "\(text) is no network such as 10.1.0.0/16")
    }
    guard prefix == prefix.network else {
        throw RouteTextError(description: "\(text) has host bits; the network is \(prefix.network)")
    }
    let address = prefix.address
    if prefix.length > 0, address.isUnspecified || address.isLoopback || address.isLinkLocal || address.isMulticast {
        throw RouteTextError(description: "\(text) cannot be routed; for an exit node use 0.0.0.0/0")
    }
    return .prefix(prefix)
}

/// Domain names in lower case. `*.` in front covers every name below.
///
/// - Throws: for a name that DNS does not have, a name twice, none, or more than 32.
package func routeDestination(domains texts: [String]) throws(RouteTextError) -> RouteDestination {
    let domains = texts.map { $0.lowercased() }
    guard (1...maximumDomains).contains(domains.count), Set(domains).count == domains.count else {
        throw RouteTextError(description: "a route has 1 to \(maximumDomains) different domains")
    }
    for domain in domains where !isDomain(domain.hasPrefix("*.") ? domain.dropFirst(2) : domain[...]) {
        throw RouteTextError(description: "\(domain) is no domain such as db.example.org or *.example.org, in punycode")
    }
    return .domains(domains)
}

/// A host, a subnet or a domain, as `10.1.0.5/32`, `10.1.0.0/16`, `db.example.org` or `*.example.org`.
///
/// - Throws: see `routeDestination`; for 0.0.0.0/0 and ::/0, too.
package func resourceAddress(_ text: String) throws(RouteTextError) -> String {
    let host = IPAddress(text).map { IPPrefix(host: $0).description }
    let destination =
        if let prefix = host ?? (text.contains("/") ? text : nil) {
            try routeDestination(prefix: prefix)
        } else {
            try routeDestination(domains: [text])
        }
    switch destination {
    case .prefix(let prefix):
        guard prefix.length > 0 else {
            throw RouteTextError(description: "\(prefix) is no resource; make a route for an exit node")
        }
        return prefix.description
    case .domains(let domains): return domains.joined()
    }
}

/// - Throws: for an empty or overlong name, or one with control characters, which would reach terminals.
package func displayName(_ text: String, of what: String, maximum: Int) throws(RouteTextError) -> String {
    let isClean = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    guard isClean, (1...maximum).contains(text.count), text.contains(where: { !$0.isWhitespace }) else {
        throw RouteTextError(
            description: "\(what) must have 1 to \(maximum) characters, none of them control characters"
        )
    }
    return text
}

/// See `displayName`.
package func routeNetworkID(_ text: String) throws(RouteTextError) -> String {
    try displayName(text, of: "a network's name", maximum: maximumNetworkIDCharacters)
}

/// Labels of letters, digits, `_` and inner hyphens, 1 to 63 bytes each, 253 in all. RFC 1035, section 2.3.4.
private func isDomain(_ text: Substring) -> Bool {
    (1...253).contains(text.utf8.count)
        && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        }
}
