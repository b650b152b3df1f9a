import Glibc
import MeshModel
import NIOSSL

extension ServerConfiguration.TLSFiles {
    /// Reads the files.
    ///
    /// HTTP/1.1 is preferred where the other side offers both: browsers do, and would send plain requests over HTTP/2,
    /// which only gRPC speaks here. gRPC clients offer `h2` alone; relay clients offer nothing.
    ///
    /// - Throws: `ServerFailure` if a file cannot be read or used.
    func context() throws(ServerFailure) -> NIOSSLContext {
        for (path, flag) in [(certificatePath, "--tls-cert"), (privateKeyPath, "--tls-key")] {
            guard access(path, R_OK) == 0 else {
                throw ServerFailure(
                    .failure,
                    "cannot read \(path): \(describe(errno: errno)); name a PEM file with \(flag)"
                )
            }
        }
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(certificatePath)
            let privateKey = try NIOSSLPrivateKey(file: privateKeyPath, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: certificates.map { .certificate($0) },
                privateKey: .privateKey(privateKey)
            )
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1", "h2"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ServerFailure(
                .failure,
                "cannot serve TLS with \(certificatePath) and \(privateKeyPath): \(error); "
                    + "they must be PEM files that belong together"
            )
        }
    }
}
