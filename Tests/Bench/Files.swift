import Glibc

struct BenchError: Error {
    var reason: String
}

func complain(_ line: String) { write(Array((line + "\n").utf8), to: STDERR_FILENO) }

/// A positive number of the command line, or 0.
func number(_ word: String) throws(BenchError) -> Int {
    guard let number = Int(word), number >= 0 else { throw BenchError(reason: "'\(word)' is no number") }
    return number
}

func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        // Whoever measures us sees that the output is short.
        if count <= 0 { exit(1) }
        rest = rest.dropFirst(count)
    }
}

/// Calls `body` with each line of a file, without its end; only one piece of the file is kept at a time.
func forEachLine(of path: String, _ body: (ArraySlice<UInt8>) async throws -> Void) async throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    /// Of a line whose end is in the next piece.
    var kept = 0
    while true {
        let count = buffer.withUnsafeMutableBytes { piece in
            Glibc.read(descriptor, piece.baseAddress?.advanced(by: kept), piece.count - kept)
        }
        guard count >= 0 else { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
        if count == 0 { return kept > 0 ? try await body(buffer[..<kept]) : () }
        var rest = buffer[..<(kept + count)]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            try await body(rest[..<end])
            rest = rest[(end + 1)...]
        }
        kept = rest.count
        guard kept < buffer.count else { throw BenchError(reason: "\(path): a line of more than \(kept) bytes") }
        buffer.replaceSubrange(..<kept, with: Array(rest))
    }
}
