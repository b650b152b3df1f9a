import Agent
import Glibc
import MeshModel
import MeshProto
import TestSupport
import Testing

@Suite struct StateDirectoryTests {
    @Test func `an identity is made once, private and whole`() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/state"
            let made = try Identity.loadOrCreate(in: StateDirectory(path: path))
            let again = try Identity.loadOrCreate(in: StateDirectory(path: path))
            #expect(made.privateKey == again.privateKey)
            #expect(made.publicKey == made.privateKey.publicKey)
            #expect(mode(path) == 0o700)
            #expect(mode(path + "/private.key") == 0o600)
            #expect(try StateDirectory(path: path).read("private.key") == made.privateKey.base64 + "\n")
        }
    }

    @Test(.enabled(if: SecretHunt.knowsTheHeap, "the address sanitizer has a heap of its own"))
    func `a key that was made, or read, stands on the heap once`() throws {
        try withTemporaryFolder { folder in
            var identity: Identity? = try Identity.loadOrCreate(in: StateDirectory(path: folder))
            let file = open(folder + "/private.key", O_RDONLY)
            defer { close(file) }
            // Straight to where it is not found.
            let text = SecretHunt(count: 44) { text in
                text.withUnsafeMutableBufferPointer { room, count in count = read(file, room.baseAddress, room.count) }
            }
            let bytes = SecretHunt(count: 32) { room in
                identity?.privateKey.withUnsafePointer { key in for index in 0..<32 { room.append(key[index]) } }
            }
            #expect(text.placesOnHeap() == 0)
            #expect(bytes.placesOnHeap() == 1)
            identity = nil
            #expect(bytes.placesOnHeap() == 0)
            identity = try Identity.load(from: StateDirectory(path: folder))
            #expect(text.placesOnHeap() == 0)
            #expect(bytes.placesOnHeap() == 1)
            identity = nil
            #expect(bytes.placesOnHeap() == 0)
        }
    }

    @Test func `a file is replaced in one step`() throws {
        try withTemporaryFolder { folder in
            let state = try StateDirectory(path: folder)
            try state.write("old\n", to: "wish")
            // A reader that opened the file before the change still sees all of the old one: it is another file.
            let reader = open(folder + "/wish", O_RDONLY)
            defer { close(reader) }
            try state.write("new\n", to: "wish")
            var bytes = [UInt8](repeating: 0, count: 8)
            #expect(read(reader, &bytes, bytes.count) == 4)
            #expect(bytes.prefix(4).elementsEqual("old\n".utf8))
            #expect(try state.read("wish") == "new\n")
            #expect(access(folder + "/.wish.new", F_OK) != 0)
        }
    }

    @Test(arguments: [
        "", "\n", "no key\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "YAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", String(repeating: "x", count: 5000),
    ])
    func `a damaged identity is reported and left as it is`(content: String) throws {
        try withTemporaryFolder { folder in
            let state = try StateDirectory(path: folder)
            try state.write(content, to: "private.key")
            let failure = #expect(throws: AgentFailure.self) { try Identity.loadOrCreate(in: state) }
            #expect(failure?.status == .stateDamaged)
            #expect(failure?.description.hasPrefix("\(folder)/private.key is damaged (") == true)
            var status = stat()
            #expect(stat(folder + "/private.key", &status) == 0)
            #expect(status.st_size == content.utf8.count)
        }
    }

    @Test func `a key file that is a link is not followed`() throws {
        try withTemporaryFolder { folder in
            let state = try StateDirectory(path: folder)
            #expect(symlink("/dev/null", folder + "/private.key") == 0)
            #expect(throws: AgentFailure.self) { try Identity.loadOrCreate(in: state) }
        }
    }

    @Test func `a second agent on the same folder is refused while the first one lives`() throws {
        try withTemporaryFolder { folder in
            try expectRefusal(whileHolding: StateDirectory(path: folder))
            _ = try StateDirectory(path: folder)
        }
    }

    @Test func `a folder that others may write to is refused`() throws {
        try withTemporaryFolder { folder in
            chmod(folder, 0o777)
            let failure = #expect(throws: AgentFailure.self) { try StateDirectory(path: folder) }
            #expect(failure?.description.hasPrefix("others may write to \(folder)") == true)
        }
    }

    @Test func `the wish to be down outlives the process`() throws {
        try withTemporaryFolder { folder in
            #expect(try TunnelWish.isEnabled(in: StateDirectory(path: folder)))
            try TunnelWish.store(isEnabled: false, in: StateDirectory(path: folder))
            #expect(try !TunnelWish.isEnabled(in: StateDirectory(path: folder)))
            try TunnelWish.store(isEnabled: true, in: StateDirectory(path: folder))
            #expect(try TunnelWish.isEnabled(in: StateDirectory(path: folder)))
            try StateDirectory(path: folder).write("sideways", to: "wish")
            let failure = #expect(throws: AgentFailure.self) {
                try TunnelWish.isEnabled(in: StateDirectory(path: folder))
            }
            #expect(failure?.status == .stateDamaged)
        }
    }

    @Test func `a large file is read whole, up to its bound`() throws {
        try withTemporaryFolder { folder in
            let state = try StateDirectory(path: folder)
            let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try state.write(bytes, to: "map")
            #expect(try state.read("map", atMost: 1_000_000) == bytes)
            #expect(mode(folder + "/map") == 0o600)
            let failure = #expect(throws: AgentFailure.self) { try state.read("map", atMost: 999_999) }
            #expect(failure?.status == .stateDamaged)
            #expect(state.setAside("map") == folder + "/map.set-aside")
            #expect(try state.read("map", atMost: 1_000_000) == nil)
            try state.remove("map.set-aside")
            try state.remove("map.set-aside")
            #expect(access(folder + "/map.set-aside", F_OK) != 0)
        }
    }

    private func expectRefusal(whileHolding first: StateDirectory) throws {
        let failure = #expect(throws: AgentFailure.self) { try StateDirectory(path: first.path) }
        #expect(failure?.status == .alreadyRunning)
    }
}

private func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
}
