import Foundation
import MeshModel
import NIOCore
import NIOPosix
import NIOSSL
import RelayWire
import Testing

@testable import ControlPlane

/// A plain TCP or TLS connection of a test: sends bytes and waits for bytes. A wait in vain ends by the test's time limit.
final class TestSocket {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var held: [UInt8] = []

    static func connect(
        to endpoint: MeshModel.Endpoint,
        tls: NIOSSLContext? = nil,
        _ body: (TestSocket) async throws -> Void
    ) async throws {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: endpoint.address.description, port: Int(endpoint.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                        )
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try await channel.executeThenClose { inbound, outbound in
            try await body(TestSocket(outbound: outbound, inbound: inbound.makeAsyncIterator()))
        }
    }

    private init(
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    ) {
        self.outbound = outbound
        self.inbound = inbound
    }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }
    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// - Throws: `Ended` if the connection ends before.
    func receive(_ count: Int) async throws -> [UInt8] {
        while held.count < count { try await receiveMore() }
        defer { held.removeFirst(count) }
        return Array(held[..<count])
    }

    /// Text up to and including `end`.
    func text(upTo end: String) async throws -> String {
        while true {
            let text = String(decoding: held, as: UTF8.self)
            if let range = text.range(of: end) {
                held.removeFirst(text[..<range.upperBound].utf8.count)
                return String(text[..<range.upperBound])
            }
            try await receiveMore()
        }
    }

    /// What comes until the other side ends the connection.
    func rest() async throws -> [UInt8] {
        while true {
            do {
                try await receiveMore()
            } catch is Ended {
                return held
            } catch is IOError {
                return held  // reset: an end as well
            }
        }
    }

    struct Ended: Error {}

    private func receiveMore() async throws {
        guard let more = try await inbound.next(isolation: #isolation) else { throw Ended() }
        held += more.readableBytesView
    }
}

/// A relay's client, as the specification has it.
extension TestSocket {
    /// Connects and upgrades; nothing is said yet.
    static func relay(
        at endpoint: MeshModel.Endpoint,
        _ body: (TestSocket) async throws -> Void
    ) async throws {
        try await connect(to: endpoint) { socket in
            try await socket.send(upgradeRequest(path: "/relay"))
            let answer = try await socket.text(upTo: "\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 101 "))
            #expect(answer.lowercased().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="))
            #expect(!answer.lowercased().contains("sec-websocket-extensions"))
            try await body(socket)
        }
    }

    /// As above; then says who it is, and waits to be let in.
    static func relay(
        at endpoint: MeshModel.Endpoint,
        as peer: RelayPeerID,
        secret: RelaySecret,
        _ body: (TestSocket) async throws -> Void
    ) async throws {
        try await relay(at: endpoint) { socket in
            try await socket.send(.auth(peer, token: secret.token(expirySeconds: secondsSince1970() + 60).wire))
            #expect(try await socket.frame() == .authResponse(instanceURL: "rel://\(endpoint)"))
            try await body(socket)
        }
    }

    static func upgradeRequest(path: String) -> String {
        """
        GET \(path) HTTP/1.1\r
        host: relay\r
        connection: Upgrade\r
        upgrade: websocket\r
        sec-websocket-version: 13\r
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r
        sec-websocket-extensions: permessage-deflate\r
        origin: https://elsewhere.example\r
        \r

        """
    }

    func send(_ frame: RelayFrame) async throws { try await send(Self.masked(frame.encode())) }

    /// The next message.
    func frame() async throws -> RelayFrame {
        let (opcode, payload) = try await webSocketFrame()
        #expect(opcode == 2)
        return try RelayFrame(payload)
    }

    func webSocketFrame() async throws -> (opcode: UInt8, payload: [UInt8]) {
        let start = try await receive(2)
        #expect(start[0] & 0xf0 == 0x80 && start[1] & 0x80 == 0)
        var length = Int(start[1])
        if length == 126 {
            let more = try await receive(2)
            length = Int(more[0]) << 8 | Int(more[1])
        }
        return (start[0] & 0x0f, try await receive(length))
    }

    /// A client's WebSocket frame; `first` is FIN and the opcode.
    static func masked(_ payload: [UInt8], first: UInt8 = 0x82) -> [UInt8] {
        let mask: [UInt8] = [0x9b, 0x01, 0xfe, 0x40]
        var frame: [UInt8] = [first]
        if payload.count > 125 {
            frame += [0xfe, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        } else {
            frame.append(0x80 | UInt8(payload.count))
        }
        return frame + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }
}
