import FoundationEssentials
import MeshModel
import MeshProto
import SwiftProtobuf
import TestSupport
import Testing

/// Every recorded message between stock programs: opens, decodes, encodes to the same bytes, equals its JSON form.
struct CaptureTests {
    private static let types: [String: any (Message & Equatable).Type] = [
        "management.DeviceAuthorizationFlow": Management_DeviceAuthorizationFlow.self,
        "management.DeviceAuthorizationFlowRequest": Management_DeviceAuthorizationFlowRequest.self,
        "management.JobRequest": Management_JobRequest.self,
        "management.JobResponse": Management_JobResponse.self,
        "management.LoginRequest": Management_LoginRequest.self,
        "management.LoginResponse": Management_LoginResponse.self,
        "management.SyncMetaRequest": Management_SyncMetaRequest.self,
        "management.SyncRequest": Management_SyncRequest.self,
        "management.SyncResponse": Management_SyncResponse.self,
        "signalexchange.Body": Signalexchange_Body.self,
    ]

    /// Folders with an index: the committed selection, and all recordings where they stand beside the package.
    static let folders: [String] = {
        do {
            let committed = try Fixtures.folders(under: Fixtures.root + "/captures", holding: "index.jsonl")
            guard let shared = Fixtures.shared else { return committed }
            return try committed + Fixtures.folders(under: shared + "/captures", holding: "index.jsonl")
        } catch {
            fatalError("no recordings: \(error)")
        }
    }()

    @Test func `the committed selection holds every type of message`() throws {
        let committed = Self.folders.filter { $0.hasPrefix(Fixtures.root) }
        let names = try committed.flatMap { try CaptureRecord.read($0) }.filter { $0.kind == "msg" }.map(\.name)
        #expect(Set(names) == Set(Self.types.keys))
    }

    @Test(arguments: folders) func `every sealed message is what was recorded`(folder: String) throws {
        for record in try CaptureRecord.read(folder) where record.kind == "msg" {
            let sealed = try Fixtures.bytes("\(folder)/\(#require(record.box))")
            let recorded = try Fixtures.bytes("\(folder)/\(#require(record.pb))")
            let json = try Fixtures.bytes("\(folder)/\(#require(record.json))")
            let type = try #require(Self.types[record.name], "type \(record.name) of record \(record.seq) is unknown")

            let own = try #require(record.ourPrivateKey.flatMap { PrivateKey(base64: $0) })
            let remote = try #require(record.remotePublicKey.flatMap { PublicKey(base64: $0) })
            let opened = try BoxKey(own: own, other: remote).open(sealed)
            #expect(opened == recorded, "record \(record.seq)")
            try expectLossless(type, recorded, json: json, "\(folder)/\(record.pb ?? "")")
        }
    }

    /// Field order is that of the numbers on both sides; only maps may come in any order, so bytes are compared as sets of
    /// sizes and values where a message holds one.
    private func expectLossless<Content: Message & Equatable>(
        _ type: Content.Type,
        _ recorded: [UInt8],
        json: [UInt8],
        _ name: String
    ) throws {
        let message = try Content(serializedBytes: recorded)
        let encoded: [UInt8] = try message.serializedBytes()
        if encoded != recorded {
            #expect(encoded.count == recorded.count, "\(name): length")
            #expect(try Content(serializedBytes: encoded) == message, "\(name): value")
            #expect(json.containsMap, "\(name): other bytes without a map field that could explain it")
        }
        // Field names in the files are those of the .proto files, which the decoder takes as well; nothing is skipped.
        #expect(try Content(jsonUTF8Bytes: json) == message, "\(name): JSON")
    }

    @Test(arguments: folders) func `every forwarded signal message opens with the keys of its ends`(folder: String)
        throws
    {
        for record in try CaptureRecord.read(folder) where record.kind == "signal" {
            let forwarded = try Fixtures.bytes("\(folder)/\(#require(record.bin))")
            let message = try Signalexchange_EncryptedMessage(serializedBytes: forwarded)
            #expect(try message.serializedBytes() == forwarded)
            #expect(message.key == record.from)
            #expect(message.remoteKey == record.to)
            let sender = try #require(message.sender)
            let recipient = try #require(CaptureRecord.privateKeys(besides: folder)[message.remoteKey])
            let body = try message.open(with: BoxKey(own: recipient, other: sender))
            _ = try SignalMessage(wire: body)
        }
    }

    @Test(arguments: folders) func `every signal body survives the model`(folder: String) throws {
        for record in try CaptureRecord.read(folder) where record.name == "signalexchange.Body" {
            var wire = try Signalexchange_Body(serializedBytes: Fixtures.bytes("\(folder)/\(#require(record.pb))"))
            let fields = wire.payload.split(separator: " ")
            let fragment = fields.firstIndex(of: "ufrag").map { String(fields[$0 + 1]) } ?? ""
            let message = try SignalMessage(wire: wire)
            wire.clearRelayServerIp()  // used by no one here yet
            #expect(Signalexchange_Body(message, usernameFragment: fragment) == wire, "record \(record.seq)")
        }
    }

    @Test(arguments: folders) func `every map is read without leaving anything out`(folder: String) throws {
        for record in try CaptureRecord.read(folder) where record.name == "management.SyncResponse" {
            let bytes = try Fixtures.bytes("\(folder)/\(#require(record.pb))")
            let wire = try Management_SyncResponse(serializedBytes: bytes)
            let update = try SyncUpdate(wire: wire)
            #expect(update.skipped == [], "record \(record.seq)")
            #expect((update.map != nil) == wire.hasNetworkMap)
            #expect(update.map?.peers.count ?? 0 == wire.networkMap.remotePeers.count)
            #expect(update.map?.firewallRules.count ?? 0 == wire.networkMap.firewallRules.count)
            #expect(update.map?.routes.count ?? 0 == wire.networkMap.routes.count)
        }
    }

    @Test(arguments: folders) func `every login survives the model`(folder: String) throws {
        for record in try CaptureRecord.read(folder) {
            let path = "\(folder)/\(record.pb ?? "")"
            switch record.name {
            case "management.LoginRequest":
                let wire = try Management_LoginRequest(serializedBytes: Fixtures.bytes(path))
                let attempt = try LoginAttempt(wire: wire)
                let key = try #require(record.ourPublicKey(sentBySelf: record.dir == "tx"))
                var again = Management_LoginRequest(attempt, publicKey: key)
                again.meta.environment = wire.meta.environment  // where the agent runs: not kept
                again.meta.syncMessageVersion = wire.meta.syncMessageVersion  // ours is always 0
                #expect(again == wire, "record \(record.seq)")
            case "management.LoginResponse":
                let wire = try Management_LoginResponse(serializedBytes: Fixtures.bytes(path))
                let grant = try LoginGrant(wire: wire)
                #expect(grant.skipped == [])
                var again = Management_LoginResponse(grant)
                again.peerConfig.sshConfig = wire.peerConfig.sshConfig  // SSH settings: not kept
                again.checks = wire.checks
                #expect(again == wire, "record \(record.seq)")
            default: break
            }
        }
    }
}

extension [UInt8] {
    /// The one map in the messages we know: `SSHAuth.machine_users`.
    fileprivate var containsMap: Bool { String(decoding: self, as: UTF8.self).contains("\"machine_users\"") }
}

/// One line of `index.jsonl`.
private struct CaptureRecord: Decodable {
    let seq: Int
    let kind: String
    let dir: String
    let name: String
    let box: String?
    let pb: String?
    let json: String?
    let bin: String?
    let from: String?
    let to: String?
    let ourPrivateKey: String?
    let ownPublicKey: String?
    let remotePublicKey: String?

    enum CodingKeys: String, CodingKey {
        case seq, kind, dir, name, box, pb, json, bin, from, to
        case ourPrivateKey = "our_priv"
        case ownPublicKey = "our_pub"
        case remotePublicKey = "remote_pub"
    }

    static func read(_ folder: String) throws -> [CaptureRecord] {
        let lines = try Fixtures.bytes(folder + "/index.jsonl").split(separator: UInt8(ascii: "\n"))
        try #require(!lines.isEmpty, "\(folder) holds no record")
        return try lines.map { try JSONDecoder().decode(CaptureRecord.self, from: Data($0)) }
    }

    /// The key of the end that made the message.
    func ourPublicKey(sentBySelf: Bool) -> PublicKey? {
        (sentBySelf ? ownPublicKey : remotePublicKey).flatMap { PublicKey(base64: $0) }
    }

    static func privateKeys(besides folder: String) throws -> [String: PrivateKey] {
        struct Keys: Decodable {
            let pub_to_priv: [String: [String: String]]
        }
        let parent = folder.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 }
        let keys = try JSONDecoder().decode(Keys.self, from: Data(Fixtures.bytes(parent + "/keys.json")))
        return keys.pub_to_priv.values.reduce(into: [:]) { result, pairs in
            for (publicKey, privateKey) in pairs { result[publicKey] = PrivateKey(base64: privateKey) }
        }
    }
}
