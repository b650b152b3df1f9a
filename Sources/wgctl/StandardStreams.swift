import Glibc
import MeshModel
import WGTool

/// Writes all of it.
///
/// - Returns: 0 or an errno. A reader that went away ends the program by SIGPIPE, as it should.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var written = 0
    while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 { written += count } else if errno != EINTR { return errno }
    }
    return 0
}

/// One line on standard error; if that fails there is nobody left to tell.
func complain(_ line: ByteText) {
    var line = line
    line.append("\n")
    _ = writeAll(line.bytes, to: STDERR_FILENO)
}

func complain(_ line: String) { complain(ByteText(line)) }

/// - Returns: `nil`: not set.
func environmentValue(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// A file that could not be read.
struct FileError: Error {
    let path: String
    let code: Int32
    /// It could be opened, and then not read.
    var isOpen = false
    /// In the words of wg(8), which does not name the file.
    var wgText: String { "\(isOpen ? "fread" : "fopen"): \(errorText(code))" }
    var text: String { "\(path): \(errorText(code))" }
}

/// A file that is read piece by piece; `/dev/stdin` and named pipes too. It may hold keys: what was read is overwritten.
struct InputFile: ~Copyable {
    private let path: String
    private let descriptor: Int32
    /// The last piece is its first `count` bytes.
    let buffer: WipedBytes
    /// 0: before the first piece, and behind the last.
    private(set) var count = 0
    private var readBytes = 0

    /// - Throws: `FileError` if it cannot be opened.
    init(_ path: String) throws(FileError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
        self.path = path
        buffer = WipedBytes([UInt8](repeating: 0, count: Self.pieceBytes))
    }

    deinit { close(descriptor) }

    /// 0: it has no size, as a pipe has none.
    var expectedBytes: Int {
        var information = stat()
        return fstat(descriptor, &information) == 0 ? max(0, Int(information.st_size)) : 0
    }

    /// - Throws: `FileError` if it cannot be read to its end: half a configuration is none. `EFBIG` for a file without end.
    mutating func readPiece() throws(FileError) {
        repeat {
            count = read(descriptor, &buffer.array, Self.pieceBytes)
            if count < 0, errno != EINTR { throw FileError(path: path, code: errno, isOpen: true) }
        } while count < 0
        readBytes += count
        if readBytes > fileLimitBytes { throw FileError(path: path, code: EFBIG, isOpen: true) }
    }

    private static let pieceBytes = 32 << 10
}

/// Everything in a file; `/dev/stdin` and named pipes too.
///
/// - Parameter limitBytes: what is beyond it is left unread.
/// - Returns: the only copy of it in memory, for a caller who wipes it.
/// - Throws: `FileError` if it cannot be opened or read to its end: half a configuration is none.
func readFile(_ path: String, limitBytes: Int = fileLimitBytes) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
    defer { close(descriptor) }
    return try readAll(from: descriptor, path: path, limitBytes: limitBytes)
}

/// - Parameter path: for the error.
func readAll(from descriptor: Int32, path: String, limitBytes: Int) throws(FileError) -> [UInt8] {
    var bytes: [UInt8] = []
    var information = stat()
    // Room for all of it at once; what has no size, such as a pipe, makes room as it comes.
    if fstat(descriptor, &information) == 0, (1...limitBytes).contains(Int(information.st_size)) {
        bytes.reserveCapacity(Int(information.st_size))
    }
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    defer { buffer.wipe() }
    while bytes.count < limitBytes {
        let count = read(descriptor, &buffer, min(buffer.count, limitBytes - bytes.count))
        if count > 0 {
            bytes.reserveWiping(count)
            bytes += buffer[..<count]
        } else if count == 0 {
            break
        } else if errno != EINTR {
            throw FileError(path: path, code: errno, isOpen: true)
        }
    }
    return bytes
}

/// A configuration of 10,000 peers with 20 allowed IPs each is about 6 MiB.
let fileLimitBytes = 256 << 20
