package import MeshModel
package import MeshProto
package import RelayWire

/// What `wgmesh-server serve` is told by its flags and environment.
package struct ServerConfiguration: Sendable {
    package struct TLSFiles: Sendable {
        /// PEM: the server's certificate, then those of its issuers.
        package var certificatePath: String
        /// PEM.
        package var privateKeyPath: String

        package init(certificatePath: String, privateKeyPath: String) {
            self.certificatePath = certificatePath
            self.privateKeyPath = privateKeyPath
        }
    }

    /// The STUN servers that agents are told of.
    package enum STUN: Sendable {
        case none
        /// This server, on UDP; port 0 lets the kernel choose.
        case own(listen: Endpoint)
        case external([HostPort])
    }

    /// The relays that agents are told of.
    package enum Relay: Sendable {
        case none
        /// This server, at `/relay` of its one port.
        case own
        /// `rel://host:port` or `rels://host:port`, and the secret that they share with this server.
        case external(urls: [String], RelaySecret)
    }

    package var dataDirectory: String
    /// Port 0 lets the kernel choose.
    package var listen: Endpoint
    /// Where agents reach this server; `nil`: at the address it listens on, or wherever they reached it.
    package var publicAddress: HostPort?
    /// `nil`: plaintext HTTP/2.
    package var tls: TLSFiles?
    /// Domain of peer names; `nil`: keep that of the mesh, or the default for a new one.
    package var domain: String?
    package var stun: STUN
    package var relay: Relay
    /// Whoever comes first over HTTP may become the mesh's owner.
    package var allowsSetup: Bool

    package init(
        dataDirectory: String,
        listen: Endpoint,
        publicAddress: HostPort? = nil,
        tls: TLSFiles? = nil,
        domain: String? = nil,
        stun: STUN = .none,
        relay: Relay = .own,
        allowsSetup: Bool = false
    ) {
        self.dataDirectory = dataDirectory
        self.listen = listen
        self.publicAddress = publicAddress
        self.tls = tls
        self.domain = domain
        self.stun = stun
        self.relay = relay
        self.allowsSetup = allowsSetup
    }
}

/// Of this program, as clients and people see it.
package let serverVersion = "0.1.0"
