import ArgumentParser
import ControlPlane
import MeshModel
import MeshProto
import RelayWire

extension Serve {
    /// Port of STUN. Source: RFC 8489, section 18.6.
    private static let stunPort: UInt16 = 3478

    /// - Parameter endpoint: where the TCP port is.
    func stunChoice(listen endpoint: Endpoint) throws -> ServerConfiguration.STUN {
        let servers = stun.isEmpty ? list("stun") : stun
        let isOff = try noStun || isOn("no-stun")
        let listen = stunListen ?? environment("stun-listen")
        guard [isOff, !servers.isEmpty, listen != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("--no-stun, --stun and --stun-listen exclude each other")
        }
        if isOff { return .none }
        if !servers.isEmpty {
            return .external(
                try servers.map { text in
                    guard let server = HostPort(text) else {
                        throw ValidationError("--stun \(text) is no host:port; it has no scheme")
                    }
                    return server
                }
            )
        }
        guard let listen else { return .own(listen: Endpoint(address: endpoint.address, port: Self.stunPort)) }
        guard let address = Endpoint(listen) else {
            throw ValidationError("--stun-listen \(listen) is no address:port (an IPv6 address needs brackets)")
        }
        return .own(listen: address)
    }

    /// The secret's file is read as well, so that whatever is wrong with it is told before anything runs.
    func relayChoice() throws -> ServerConfiguration.Relay {
        let urls = relay.isEmpty ? list("relay") : relay
        let file = relaySecretFile ?? environment("relay-secret-file")
        let isOff = try noRelay || isOn("no-relay")
        guard !isOff || urls.isEmpty else { throw ValidationError("--no-relay and --relay exclude each other") }
        guard urls.isEmpty == (file == nil) else {
            throw ValidationError("--relay and --relay-secret-file belong together")
        }
        if isOff { return .none }
        guard let file else { return .own }
        for url in urls where !isRelayURL(url) {
            throw ValidationError("--relay \(url) is no rel://host:port or rels://host:port")
        }
        return .external(urls: urls, try reporting { () throws(ServerFailure) in try RelaySecret(file: file) })
    }

    private func isRelayURL(_ text: String) -> Bool {
        ["rel://", "rels://"].contains { text.hasPrefix($0) && HostPort(String(text.dropFirst($0.count))) != nil }
    }

    /// A list in the environment, separated by commas.
    private func list(_ option: String) -> [String] {
        (environment(option) ?? "").split(separator: ",").map { String($0.filter { $0 != " " }) }
    }

    func isOn(_ option: String) throws -> Bool {
        switch environment(option) {
        case nil, "0", "false": return false
        case "1", "true": return true
        case .some(let text):
            throw ValidationError("--\(option): the environment says '\(text)', expected true or false")
        }
    }
}
