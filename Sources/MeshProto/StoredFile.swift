import CSodium

/// Why a file of the state directory is not used: one line, for the log.
package struct StoredFileError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// The envelope of a file that can be lost without harm: `wgmesh-KIND VERSION SHA256`, newline, content.
///
/// The checksum (lower-case hexadecimal, of the content alone) tells a whole file from one that a disk or an editor
/// changed; it proves nothing against root, who alone can write there.
package enum StoredFile {
    /// SHA-256 of the content: two files are equal if these are.
    package static func checksum(of content: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
        let status = crypto_hash_sha256(&digest, content, UInt64(content.count))
        precondition(status == 0, "SHA-256 of \(content.count) bytes failed")
        return digest
    }

    package static func encode(kind: String, version: Int, content: [UInt8]) -> [UInt8] {
        Array("wgmesh-\(kind) \(version) \(hexadecimal(checksum(of: content)))\n".utf8) + content
    }

    /// - Throws: `StoredFileError` for another kind, another version, or a content that is not what was written.
    package static func decode(_ bytes: [UInt8], kind: String, version: Int) throws(StoredFileError) -> ArraySlice<
        UInt8
    > {
        guard let end = bytes.prefix(maximumHeadBytes).firstIndex(of: UInt8(ascii: "\n")) else {
            throw StoredFileError("it has no first line")
        }
        let words = bytes[..<end].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, words[0].elementsEqual("wgmesh-\(kind)".utf8) else {
            throw StoredFileError("it is no wgmesh-\(kind) file")
        }
        guard words[1].elementsEqual("\(version)".utf8) else {
            throw StoredFileError("its version is not \(version)")
        }
        let content = bytes[(end + 1)...]
        guard words[2].elementsEqual(hexadecimal(checksum(of: Array(content))).utf8) else {
            throw StoredFileError("its checksum is wrong")
        }
        return content
    }

    /// Kind, version and 64 digits, with room.
    private static let maximumHeadBytes = 128

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.reduce(into: "") { text, byte in
            if byte < 16 { text += "0" }
            text += String(byte, radix: 16)
        }
    }
}

/// Lines of `NAME VALUE...` up to the end or an empty line.
struct StoredLines {
    private var rest: ArraySlice<UInt8>

    init(_ content: ArraySlice<UInt8>) { rest = content }

    /// What follows the lines read so far.
    var remainder: ArraySlice<UInt8> { rest }

    /// The words of the next line; `nil`: an empty line (which is taken) or the end.
    ///
    /// - Throws: `StoredFileError` if the line is longer than any that is written, or has no end.
    mutating func next() throws(StoredFileError) -> [Substring]? {
        if rest.isEmpty { return nil }
        guard let end = rest.prefix(Self.maximumLineBytes).firstIndex(of: UInt8(ascii: "\n")),
            let line = String(validating: rest[..<end], as: UTF8.self)
        else { throw StoredFileError("it holds a line that is too long or no text") }
        rest = rest[(end + 1)...]
        return line.isEmpty ? nil : line.split(separator: " ", omittingEmptySubsequences: false)
    }

    /// A host name of 253 bytes, an address and a word.
    private static let maximumLineBytes = 512
}
