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

func read(_ path: String) throws(BenchError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        if count == 0 { return bytes }
        guard count > 0 else { throw BenchError(reason: "\(path): \(String(cString: strerror(errno)))") }
        bytes += buffer[..<count]
    }
}
