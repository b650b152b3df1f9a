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

/// The lines of a file, without their ends; only one piece of the file is kept at a time.
struct LineReader: ~Copyable {
    private let path: String
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 16 << 10)
    /// What was read and not yet handed out.
    private var rest = 0..<0
    private var isAtEnd = false

    init(path: String) throws(BenchError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// - Returns: `nil` after the last line. Let go of it before the next call, or the whole piece is copied.
    mutating func next() throws(BenchError) -> ArraySlice<UInt8>? { try advance().map { buffer[$0] } }

    /// Gives `body` the next line, which it cannot keep.
    ///
    /// - Returns: whether there was one.
    mutating func next(_ body: (Span<UInt8>) throws(BenchError) -> Void) throws(BenchError) -> Bool {
        guard let line = try advance() else { return false }
        try body(buffer.span.extracting(line))
        return true
    }

    /// Where the next line stands in the buffer; `nil` after the last one.
    private mutating func advance() throws(BenchError) -> Range<Int>? {
        while true {
            if let end = endOfLine() {
                defer { rest = end + 1..<rest.upperBound }
                return rest.lowerBound..<end
            }
            if isAtEnd {
                defer { rest = rest.upperBound..<rest.upperBound }
                return rest.isEmpty ? nil : rest
            }
            try refill()
        }
    }

    private func endOfLine() -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return nil }
            return memchr(start + rest.lowerBound, 0x0a, rest.count).map { UnsafeRawPointer($0) - start }
        }
    }

    private mutating func refill() throws(BenchError) {
        guard rest.count < buffer.count else { throw BenchError(reason: "\(path): a line of over \(rest.count) bytes") }
        buffer.replaceSubrange(..<rest.count, with: Array(buffer[rest]))
        rest = 0..<rest.count
        let kept = rest.count
        let count = buffer.withUnsafeMutableBytes { piece in
            Glibc.read(descriptor, piece.baseAddress?.advanced(by: kept), piece.count - kept)
        }
        guard count >= 0 else { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
        isAtEnd = count == 0
        rest = 0..<kept + count
    }
}
