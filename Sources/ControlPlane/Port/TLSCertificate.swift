import FileStatus
import Logging
import MeshModel
import NIOCore
import NIOSSL
import ServiceLifecycle

/// The certificate that new connections get, read anew when its files change. Connections that are open keep theirs.
///
/// Both files count: while only one of a new pair is in place they do not belong together, and the old pair stays.
final class TLSCertificate: Service {
    private let files: ServerConfiguration.TLSFiles
    private let logger: Logger
    private let loop: any EventLoop
    private let current: NIOLoopBoundBox<NIOSSLContext>
    private let firstStamps: [FileStamp?]

    /// How long a new certificate may go unnoticed. Whoever renews it does so weeks before the old one ends.
    private static let interval: Duration = .seconds(2)

    /// What tells one content of a file from another, without reading it.
    private struct FileStamp: Hashable {
        let inode: UInt64
        let seconds: Int
        let nanoseconds: Int

        init?(_ path: String) {
            guard let status = FileStatus(path) else { return nil }
            inode = status.inode
            seconds = status.modifiedSeconds
            nanoseconds = status.modifiedNanoseconds
        }
    }

    /// - Throws: `ServerFailure` if a file cannot be read or used.
    init(_ files: ServerConfiguration.TLSFiles, loop: any EventLoop, logger: Logger) throws(ServerFailure) {
        self.files = files
        self.loop = loop
        self.logger = logger
        // Before they are read: what is written meanwhile counts as a change.
        firstStamps = Self.stamps(of: files)
        current = NIOLoopBoundBox.makeBoxSendingValue(try files.context(), eventLoop: loop)
    }

    /// The certificate for a connection that begins now; on the connection's event loop.
    func context(for connection: any Channel) -> EventLoopFuture<NIOSSLContext> {
        loop.submit { self.current.value }.hop(to: connection.eventLoop)
    }

    /// Looks for changes until the task is cancelled or the service group shuts down.
    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var known = firstStamps
            while await wait(Self.interval) {
                let stamps = Self.stamps(of: files)
                guard stamps != known else { continue }
                known = stamps
                do throws(ServerFailure) {
                    let context = try files.context()
                    loop.execute { self.current.value = context }
                    logger.info("new certificate in use", metadata: ["file": "\(files.certificatePath)"])
                } catch {
                    logger.warning("certificate files changed; the old ones stay", metadata: ["reason": "\(error)"])
                }
            }
        }
    }

    private static func stamps(of files: ServerConfiguration.TLSFiles) -> [FileStamp?] {
        [FileStamp(files.certificatePath), FileStamp(files.privateKeyPath)]
    }
}
