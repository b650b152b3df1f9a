import Glibc

/// Bytes to look for on this process's own heap. They stand outside of it, so that they are not found in themselves.
public final class SecretHunt: Sendable {
    /// One mapping: the bytes, and behind them room to read memory into.
    private nonisolated(unsafe) let mapping: UnsafeMutableRawBufferPointer
    private let count: Int

    /// - Parameters:
    ///   - count: bytes to look for, at most 4096.
    ///   - fill: writes them.
    public init(count: Int, _ fill: (inout OutputSpan<UInt8>) -> Void) {
        let size = Self.needleBytes + Self.pieceBytes
        let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start, start != MAP_FAILED else { preconditionFailure("mmap: \(errno)") }
        mapping = UnsafeMutableRawBufferPointer(start: start, count: size)
        self.count = count
        let room = UnsafeMutableBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: count)
        var needle = OutputSpan(buffer: room, initializedCount: 0)
        fill(&needle)
        let written = needle.finalize(for: room)
        precondition(written == count, "\(written) bytes to look for, not \(count)")
    }

    /// Random ones.
    public convenience init(randomBytes count: Int) {
        self.init(count: count) { bytes in
            var generator = SystemRandomNumberGenerator()
            for _ in 0..<count { bytes.append(UInt8.random(in: .min ... .max, using: &generator)) }
        }
    }

    deinit { munmap(mapping.baseAddress, mapping.count) }

    /// `false`: this is the address sanitizer's heap, which lies somewhere else. (It proves other things.)
    public static let knowsTheHeap = dlsym(nil, "__asan_init") == nil

    public func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(mapping)[..<count]))
    }

    /// How often they stand on the heap now, in memory that is in use or that was.
    ///
    /// Stacks are not looked at: what passes over them is overwritten by the next calls. glibc's malloc has memory at
    /// `[heap]`, and for further threads at multiples of 64 MiB (`HEAP_MAX_SIZE`, malloc/arena.c).
    public func placesOnHeap() -> Int {
        let file = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
        precondition(file >= 0, "/proc/self/mem: \(errno)")
        defer { close(file) }
        return heapRegions().reduce(0) { $0 + places(in: $1, of: file) }
    }

    private func places(in region: Range<UInt>, of file: Int32) -> Int {
        let piece = UnsafeMutableRawBufferPointer(rebasing: mapping[Self.needleBytes...])
        var places = 0
        var position = region.lowerBound
        while position < region.upperBound {
            let wanted = min(piece.count, Int(region.upperBound - position))
            let got = pread(file, piece.baseAddress, wanted, off_t(position))
            // Another thread gave the memory back meanwhile.
            if got < count { return places }
            places += self.places(in: UnsafeRawBufferPointer(rebasing: piece[..<got]))
            if position + UInt(got) == region.upperBound { break }
            // What ends beyond this piece is found in the next one.
            position += UInt(got - count + 1)
        }
        return places
    }

    private func places(in memory: UnsafeRawBufferPointer) -> Int {
        guard let start = memory.baseAddress, let needle = mapping.baseAddress else { return 0 }
        // By a byte of which memory is not full.
        let anchor = mapping[..<count].firstIndex { $0 != 0 && $0 != 0xff } ?? 0
        var places = 0
        var offset = anchor
        let end = memory.count - count + anchor + 1
        while offset < end, let found = memchr(start + offset, Int32(mapping[anchor]), end - offset) {
            offset = UnsafeRawPointer(found) - start
            if memcmp(start + (offset - anchor), needle, count) == 0 { places += 1 }
            offset += 1
        }
        return places
    }

    private func heapRegions() -> [Range<UInt>] {
        guard let maps = fopen("/proc/self/maps", "re") else { preconditionFailure("/proc/self/maps: \(errno)") }
        defer { fclose(maps) }
        var regions: [Range<UInt>] = []
        var line: UnsafeMutablePointer<CChar>?
        var room = 0
        defer { free(line) }
        while getline(&line, &room, maps) > 0, let line {
            let words = String(cString: line).split(whereSeparator: \.isWhitespace)
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, words[1].hasPrefix("rw"), ends[1] - ends[0] <= 1 << 30 else { continue }
            let isArena = words.count == 5 && ends[0].isMultiple(of: 64 << 20)
            if isArena || words.last == "[heap]" { regions.append(ends[0]..<ends[1]) }
        }
        return regions
    }

    private static let needleBytes = 4096
    private static let pieceBytes = 1 << 20
}
