import ICE
import Logging
import MeshModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1)))
struct STUNServerTests {
    @Test(arguments: ["127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0"])
    func `a client learns its own address and port, from the address that it asked`(listen: String) async throws {
        let server = try STUNServer(on: try #require(Endpoint(listen)), logger: Logger(label: "test"))
        #expect(server.endpoint.port != 0)
        // A wildcard is asked at another address than the default one of the loopback interface.
        let asked = ["[::]:0": "127.0.0.2", "0.0.0.0:0": "127.0.0.3"][listen] ?? server.endpoint.address.description
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let channel = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .bind(host: asked == "::1" ? "::1" : "127.0.0.1", port: 0) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>(
                            wrappingChannelSynchronously: channel
                        )
                    }
                }
            let target = try SocketAddress(ipAddress: asked, port: Int(server.endpoint.port))
            try await channel.executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                for number: UInt8 in 0..<100 {
                    let id = [UInt8](repeating: number, count: 12)
                    try await outbound.write(envelope([1, 2, 3], to: target))  // no STUN: no answer
                    try await outbound.write(envelope([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42] + id, to: target))
                    let answer = try #require(try await answers.next(isolation: #isolation))
                    #expect(answer.remoteAddress == target)
                    let message = try STUNMessage(datagram: Array(answer.data.readableBytesView))
                    #expect(message.kind == .bindingSuccess && message.transactionID == id)
                    #expect(
                        message.mappedAddress == channel.channel.localAddress.flatMap(Endpoint.init(socketAddress:))
                    )
                    #expect(message.hasValidFingerprint)
                }
            }
            group.cancelAll()
        }
        let answered = server.counters.answered.load(ordering: .relaxed)
        let ignored = server.counters.ignored.load(ordering: .relaxed)
        #expect(answered == 100 && ignored == 100)
    }

    @Test func `a taken port is named`() throws {
        let first = try STUNServer(on: loopback(), logger: Logger(label: "test"))
        defer { first.close() }
        let failure = #expect(throws: ServerFailure.self) {
            try STUNServer(on: first.endpoint, logger: Logger(label: "test"))
        }
        #expect(failure?.status == .portTaken && failure?.description.contains("--no-stun") == true)
    }

    private func envelope(_ bytes: [UInt8], to target: SocketAddress) -> AddressedEnvelope<ByteBuffer> {
        AddressedEnvelope(remoteAddress: target, data: ByteBuffer(bytes: bytes))
    }
}
