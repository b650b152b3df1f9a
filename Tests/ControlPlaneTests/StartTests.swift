import Foundation
import Logging
import MeshModel
import Testing

@testable import ControlPlane

/// What can be wrong before anything runs.
@Suite(.timeLimit(.minutes(1)))
struct StartTests {
    @Test func `a taken port is named`() async throws {
        try await TestMesh.serve { mesh in
            try await withTemporaryFolder { folder in
                let error = startFailure(folder, listen: mesh.endpoint)
                #expect(error?.status == .portTaken)
                #expect(error?.description.contains("\(mesh.endpoint)") == true)
            }
        }
    }

    @Test func `a second server on the same folder is refused, a command is not`() async throws {
        try await TestMesh.serve { mesh in
            let error = startFailure(mesh.folder)
            let peers = try await mesh.administration.peers()
            #expect(error?.status == .alreadyRunning && peers.isEmpty)
        }
    }

    @Test func `the folder is free again after the server has ended`() async throws {
        try await withTemporaryFolder { folder in
            try await TestMesh.serve(folder) { _ in
                let directory = try DataDirectory(path: folder)
                #expect(directory.isServed)
            }
            #expect(try !DataDirectory(path: folder).isServed)
        }
    }

    @Test func `a folder that everybody may write to is refused`() async throws {
        try await withTemporaryFolder { folder in
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder)
            #expect(startFailure(folder)?.description.contains("chmod 0700") == true)
        }
    }

    @Test func `certificate files that are missing are named`() async throws {
        try await withTemporaryFolder { folder in
            let tls = ServerConfiguration.TLSFiles(
                certificatePath: folder + "/cert.pem",
                privateKeyPath: folder + "/key.pem"
            )
            let error = startFailure(folder, tls: tls)
            #expect(error?.description.contains(folder + "/cert.pem") == true)
        }
    }

    private func startFailure(
        _ folder: String,
        listen: Endpoint = loopback(),
        tls: ServerConfiguration.TLSFiles? = nil
    ) -> ServerFailure? {
        do {
            _ = try ControlPlane(
                ServerConfiguration(dataDirectory: folder, listen: listen, tls: tls),
                logger: Logger(label: "test")
            )
            return nil
        } catch {
            return error
        }
    }
}
