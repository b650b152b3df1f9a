import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

/// Whatever arrives, a conversion ends with a value or an error: a trap would end the process.
struct HostileInputTests {
    private static func recorded(_ suffix: String) throws -> [[UInt8]] {
        let folder = Fixtures.root + "/captures/08-rich/c1"
        let names = try Fixtures.names(in: folder).filter { $0.hasSuffix(suffix) }
        try #require(!names.isEmpty)
        return try names.map { try Fixtures.bytes(folder + "/" + $0) }
    }

    /// A few bytes changed, removed or doubled.
    private static func damaged(_ bytes: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(bytes[place], at: place)
            case 2: bytes[place] = [0x00, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
            default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            }
        }
        return bytes
    }

    /// Runs `convert` on damaged forms of each recording; how many of them still were messages.
    private func survivors<Content: Message>(
        of suffix: String,
        _ type: Content.Type,
        _ convert: (Content) throws -> Void
    ) throws -> Int {
        var generator = SeededGenerator(seed: 2)
        var survivors = 0
        for bytes in try Self.recorded(suffix) {
            for _ in 0..<200 {
                let message: Content
                do {
                    message = try Content(serializedBytes: Self.damaged(bytes, using: &generator))
                } catch {
                    continue  // Not a message any more: the decoder's own affair.
                }
                survivors += 1
                do {
                    try convert(message)
                } catch let error as WireError {
                    #expect(!error.description.isEmpty)
                }
            }
        }
        return survivors
    }

    @Test func `damaged maps never trap`() throws {
        let count = try survivors(of: "SyncResponse.pb", Management_SyncResponse.self) { _ = try SyncUpdate(wire: $0) }
        #expect(count > 100)
    }

    @Test func `damaged signal messages never trap`() throws {
        let count = try survivors(of: "Body.pb", Signalexchange_Body.self) { _ = try SignalMessage(wire: $0) }
        #expect(count > 100)
    }

    @Test func `damaged logins never trap`() throws {
        let requests = try survivors(of: "LoginRequest.pb", Management_LoginRequest.self) {
            _ = try LoginAttempt(wire: $0)
        }
        let responses = try survivors(of: "LoginResponse.pb", Management_LoginResponse.self) {
            _ = try LoginGrant(wire: $0)
        }
        #expect(requests > 100)
        #expect(responses > 20)
    }

    @Test func `damaged candidate lines never trap, and what is accepted prints and parses to the same`() throws {
        var generator = SeededGenerator(seed: 3)
        let line = "1 1 udp 5 2001:db8::1%eth0 51820 typ srflx raddr 10.0.0.1 rport 9 ufrag ab cid cd"
        for _ in 0..<5000 {
            let text = String(decoding: Self.damaged(Array(line.utf8), using: &generator), as: UTF8.self)
            do {
                let candidate = try RemoteCandidate(line: text)
                #expect(try RemoteCandidate(line: candidate.line(usernameFragment: "u")) == candidate, "\(text)")
            } catch let error {
                #expect(error.path == "candidate")
            }
        }
    }
}
