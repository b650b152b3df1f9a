import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import MeshModel
import MeshProto
import NIOSSL
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct TLSTests {
    @Test func `with certificate files the port speaks TLS, and agents are told so`() async throws {
        try await withTemporaryFolder { folder in
            let files = try write(certificate: certificate, key: privateKey, to: folder)
            let listen = loopback()
            let server = try ControlPlane(
                ServerConfiguration(dataDirectory: folder + "/data", listen: listen, tls: files),
                logger: Logger(label: "test")
            )
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run(handlesSignals: false) }
                let transport = try HTTP2ClientTransport.Posix(
                    target: .dns(host: "localhost", port: Int(server.endpoint.port)),
                    transportSecurity: .tls {
                        $0.trustRoots = .certificates([.file(path: files.certificatePath, format: .pem)])
                    }
                )
                try await withGRPCClient(transport: transport) { client in
                    let mesh = TestMesh(
                        folder: folder + "/data",
                        endpoint: server.endpoint,
                        management: .init(wrapping: client),
                        signal: .init(wrapping: client)
                    )
                    let grant = try await mesh.login(TestPeer(hostname: "a"), setupKey: try await mesh.setupKey())
                    #expect(grant.services.signal?.usesTLS == true)
                    #expect(grant.services.relay?.urls == ["rels://\(server.endpoint)"])
                    // Beside gRPC, which agreed on h2 by ALPN, a client that offers nothing gets HTTP/1.1.
                    let context = try NIOSSLContext(configuration: .trusting(files.certificatePath))
                    try await TestSocket.connect(to: server.endpoint, tls: context) { socket in
                        try await socket.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
                        #expect(try await socket.text(upTo: "}").hasPrefix("HTTP/1.1 200 OK\r\n"))
                    }
                }
                group.cancelAll()
            }
        }
    }

    @Test func `files that hold no certificate are told in one line`() async throws {
        try await withTemporaryFolder { folder in
            // A folder each: a process that another test starts meanwhile may hold the lock until it runs its program.
            for (index, (certificate, key)) in [("nothing", privateKey), (certificate, "nothing")].enumerated() {
                let files = try write(certificate: certificate, key: key, to: folder)
                let listen = loopback()
                let failure = #expect(throws: ServerFailure.self) {
                    try ControlPlane(
                        ServerConfiguration(dataDirectory: folder + "/data\(index)", listen: listen, tls: files),
                        logger: Logger(label: "test")
                    )
                }
                #expect(failure?.description.contains(files.certificatePath) == true)
            }
        }
    }

    private func write(
        certificate: String,
        key: String,
        to folder: String
    ) throws -> ServerConfiguration.TLSFiles {
        let files = ServerConfiguration.TLSFiles(
            certificatePath: folder + "/cert.pem",
            privateKeyPath: folder + "/key.pem"
        )
        try certificate.write(toFile: files.certificatePath, atomically: true, encoding: .utf8)
        try key.write(toFile: files.privateKeyPath, atomically: true, encoding: .utf8)
        return files
    }

    /// For localhost and 127.0.0.1, until the year 2126; made for this test alone:
    /// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost
    /// -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.
    private let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBmjCCAUGgAwIBAgIUJekRnMa/lhDr1Jptd3DpHWZMlG0wCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE2MzQyN1oYDzIxMjYxMDI5
        MTYzNDI3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQSXoxyxSxpEKe3ltjPWqw7J33V47hDVvHsgK5lHcL/Tx6LmnVFBEq+
        WtP2TD8rKgd5PM6qwR9Cpfz+q5wSjF/zo28wbTAdBgNVHQ4EFgQUxs+AENrzaW/6
        NeAoV13iO2pMLbowHwYDVR0jBBgwFoAUxs+AENrzaW/6NeAoV13iO2pMLbowDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDRwAwRAIgJ7kVJ6UoAVWfiYOpWb1nomvm/zVe1QekCtLp6G0We4UCIDfY
        kjzgmjOAhdPL5LBHhFCnlGO2urRuLkCL3PHXbMw5
        -----END CERTIFICATE-----
        """

    private let privateKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW6TyvSU+OUpYS511
        ujvk/SK32sYbT0dqPnIAxD0dVzuhRANCAAQSXoxyxSxpEKe3ltjPWqw7J33V47hD
        VvHsgK5lHcL/Tx6LmnVFBEq+WtP2TD8rKgd5PM6qwR9Cpfz+q5wSjF/z
        -----END PRIVATE KEY-----
        """
}

extension TLSConfiguration {
    /// A client's, which offers no application protocol, as relay clients do.
    fileprivate static func trusting(_ certificatePath: String) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(certificatePath))
        return configuration
    }
}
