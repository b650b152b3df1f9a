import MeshModel
import WGKernel

/// Reads key files for `set`: keys on the command line would be seen by every user of the host.
package protocol KeyFiles {
    /// - Throws: what the user shall read, in one line.
    func read(_ path: String) throws(ValueError) -> [UInt8]
}

/// Reads what follows `set INTERFACE`: settings of the device, then peers, each followed by its settings.
package struct SetArguments<Files: KeyFiles> {
    private var rest: ArraySlice<String>
    private var surroundings: any ConfigSurroundings
    private let files: Files
    private var change = DeviceChange()

    /// - Throws: `ValueError` for the first argument that cannot be read.
    package static func parse(
        _ arguments: some Sequence<String>,
        surroundings: any ConfigSurroundings,
        files: Files
    ) throws(ValueError) -> DeviceChange {
        var parser = SetArguments(rest: Array(arguments)[...], surroundings: surroundings, files: files)
        while let word = parser.rest.popFirst() {
            if parser.change.peers.isEmpty { try parser.readSetting(word) } else { try parser.readPeerSetting(word) }
        }
        return parser.change
    }

    private init(rest: ArraySlice<String>, surroundings: any ConfigSurroundings, files: Files) {
        self.rest = rest
        self.surroundings = surroundings
        self.files = files
    }

    private mutating func readSetting(_ word: String) throws(ValueError) {
        switch word {
        case "peer": try beginPeer()
        case "listen-port":
            let text = try value(of: word)
            change.listenPort = try ConfigValue.port(text.span, &surroundings)
        case "fwmark":
            let text = try value(of: word)
            change.fwmark = try ConfigValue.fwmark(text.span)
        case "private-key":
            change.privateKey = try keyInFile(of: word, ConfigValue.privateKey) ?? noPrivateKey
        default: throw invalid(word)
        }
    }

    private mutating func readPeerSetting(_ word: String) throws(ValueError) {
        let last = change.peers.count - 1
        switch word {
        case "peer": try beginPeer()
        case "remove": change.peers[last].isRemoval = true
        case "endpoint":
            let text = try value(of: word)
            let target = try ConfigValue.endpoint(text.span, &surroundings)
            change.peers[last].change.endpoint = target.endpoint
            change.peers[last].change.endpointScope = target.scope
        case "allowed-ips":
            let list = try value(of: word).filter { !isWhitespace($0) }
            try ConfigValue.allowedIPs(list.span, into: &change.peers[last].change, &surroundings)
        case "persistent-keepalive":
            let text = try value(of: word)
            change.peers[last].change.persistentKeepaliveSeconds = try ConfigValue.keepalive(text.span)
        case "preshared-key":
            change.peers[last].change.presharedKey = try keyInFile(of: word, ConfigValue.presharedKey) ?? .clear
        default: throw invalid(word)
        }
    }

    private mutating func beginPeer() throws(ValueError) {
        let text = try value(of: "peer")
        let key = try ConfigValue.publicKey(text.span)
        change.peers.append(PeerRequest(change: PeerChange(publicKey: key)))
    }

    private mutating func keyInFile<Key>(
        of word: String,
        _ read: (Span<UInt8>) throws(ValueError) -> Key
    ) throws(ValueError) -> Key? {
        let path = String(decoding: try value(of: word), as: UTF8.self)
        var content = try files.read(path)
        defer { content.wipe() }
        return try ConfigValue.keyFile(content, read)
    }

    /// A setting without its value is as unknown as one that does not exist.
    private mutating func value(of word: String) throws(ValueError) -> [UInt8] {
        guard let value = rest.popFirst() else { throw invalid(word) }
        return Array(value.utf8)
    }

    private func invalid(_ word: String) -> ValueError { ValueError(ByteText("Invalid argument: \(word)")) }
}
