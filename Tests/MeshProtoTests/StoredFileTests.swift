import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

private func key(_ byte: UInt8) throws -> PublicKey {
    try #require(PublicKey(bytes: [UInt8](repeating: byte, count: 32)))
}

private func sync(_ change: (inout Management_SyncResponse) -> Void = { _ in }) -> Management_SyncResponse {
    var message = Management_SyncResponse()
    message.networkMap.serial = 7
    message.networkMap.peerConfig.address = "100.64.0.1/16"
    change(&message)
    return message
}

private func sample() throws -> StoredMap {
    StoredMap(
        identity: try key(1),
        management: "https://mesh.example:443",
        receivedSeconds: 1_700_000_000,
        message: try sync().serializedBytes()
    )
}

@Suite struct StoredFileTests {
    @Test func `a map comes back as it was, and says what the network said`() throws {
        let stored = try StoredMap(decoding: try sample().encode())
        #expect(stored == (try sample()))
        #expect(try stored.update().map?.serial == 7)
        let head = String(decoding: stored.encode().prefix { $0 != 10 }, as: UTF8.self)
        #expect(head.hasPrefix("wgmesh-map 1 ") && head.utf8.count == 13 + 64)
    }

    @Test func `every single flipped bit and every cut is noticed`() throws {
        let whole = try sample().encode()
        for index in whole.indices {
            var damaged = whole
            damaged[index] ^= 1 << UInt8(index % 8)
            #expect(throws: StoredFileError.self) { try StoredMap(decoding: damaged) }
            #expect(throws: StoredFileError.self) { try StoredMap(decoding: Array(whole[..<index])) }
        }
    }

    @Test(arguments: [
        ("", "it has no first line"), ("\n", "it is no wgmesh-map file"),
        ("wgmesh-hints 1 0\n", "it is no wgmesh-map file"),
        ("wgmesh-map 2 0\n", "its version is not 1"), ("wgmesh-map 1 0\n", "its checksum is wrong"),
        (String(repeating: "x", count: 500), "it has no first line"),
    ])
    func `another file is named for what it is`(content: String, reason: String) {
        let error = #expect(throws: StoredFileError.self) { try StoredMap(decoding: Array(content.utf8)) }
        #expect(error?.description == reason)
    }

    @Test(arguments: [
        "", "identity x\n", "identity AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nmanagement a b\nreceived 1\n\n",
        "identity AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nmanagement a\nreceived -1\n\n",
        "identity AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nmanagement a\nreceived 1\nmore\n",
    ])
    func `lines of another program are refused`(content: String) {
        let bytes = StoredFile.encode(kind: "map", version: 1, content: Array(content.utf8))
        #expect(throws: StoredFileError("its first lines are not those of a map")) { try StoredMap(decoding: bytes) }
    }

    @Test func `a message that is none, or has no address of ours, is refused`() throws {
        var stored = try sample()
        stored.message = [0xff, 0xff, 0xff]
        #expect(throws: StoredFileError.self) { try stored.update() }
        stored.message = try sync { $0.networkMap.clearPeerConfig() }.serializedBytes()
        #expect(throws: StoredFileError("its message holds no own address")) { try stored.update() }
        stored.message = try sync { $0.networkMap.peerConfig.address = "nowhere" }.serializedBytes()
        #expect(throws: StoredFileError.self) { try stored.update() }
    }

    @Test func `what a session's messages leave out is filled in from before`() throws {
        var record = SyncRecord()
        var login = Management_LoginResponse()
        login.netbirdConfig.signal.uri = "signal.example:443"
        login.peerConfig.address = "100.64.0.9/16"
        record.note(login)
        var stored = try sample()
        stored.message = record.note(sync()) ?? []
        #expect(try stored.update().services?.signal?.address.description == "signal.example:443")
        #expect(try stored.update().map?.own?.address.description == "100.64.0.1/16")
        let control = record.note(Management_SyncResponse())
        #expect(control == nil)
        stored.message = record.note(.deletionNotice(serial: 8)) ?? []
        #expect(try stored.update().map?.own?.address.description == "100.64.0.9/16")
        #expect(try stored.update().map?.peers.isEmpty == true)
    }

    @Test func `hints come back as they were, equal ones as equal bytes`() throws {
        let hints = StoredHints(
            identity: try key(1),
            endpoints: [
                try key(2): try #require(Endpoint("203.0.113.7:51820")),
                try key(3): try #require(Endpoint("[2001:db8::7]:51820")),
            ],
            servers: ["mesh.example": [try #require(IPAddress("192.0.2.1")), try #require(IPAddress("2001:db8::1"))]]
        )
        #expect(try StoredHints(decoding: hints.encode()) == hints)
        #expect(hints.encode() == hints.encode())
        let text = String(decoding: hints.encode(), as: UTF8.self)
        #expect(text.hasSuffix("server mesh.example 192.0.2.1 2001:db8::1\n"))
    }

    @Test(arguments: [
        "peer x 1.2.3.4:5\n", "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= 1.2.3.4:0\n", "server a\n",
        "server a b\n", "server  1.2.3.4\n", "what\n", "\n", "server a 1.2.3.4",
    ])
    func `hints that are none are refused`(line: String) throws {
        let content = "identity \(try key(1))\n\(line)"
        let bytes = StoredFile.encode(kind: "hints", version: 1, content: Array(content.utf8))
        #expect(throws: StoredFileError.self) { try StoredHints(decoding: bytes) }
    }
}
