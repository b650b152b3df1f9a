import Agent
import AgentCore
import Glibc
import MeshModel
import Synchronization
import Testing

private func addresses(_ texts: String...) throws -> [IPAddress] { try texts.map { try #require(IPAddress($0)) } }

@Suite(.timeLimit(.minutes(1))) struct ServerAddressBookTests {
    @Test func `an address is looked up by nobody`() async throws {
        let book = ServerAddressBook { _ in .failure(LookupFailure("asked")) }
        #expect(try await book.addresses(of: "192.0.2.1") == addresses("192.0.2.1"))
        #expect(try await book.addresses(of: "2001:db8::1") == addresses("2001:db8::1"))
        #expect(await book.known.isEmpty)
    }

    @Test func `the resolver's word is asked each time and remembered, up to a bound`() async throws {
        let counter = Counter()
        let book = ServerAddressBook(maximumAddresses: 2) { _ in
            let number = counter.next()
            return .success((1...3).compactMap { IPAddress("192.0.\(number).\($0)") })
        }
        #expect(try await book.addresses(of: "mesh.example") == addresses("192.0.1.1", "192.0.1.2"))
        #expect(try await book.addresses(of: "mesh.example") == addresses("192.0.2.1", "192.0.2.2"))
        #expect(await book.known == ["mesh.example": try addresses("192.0.2.1", "192.0.2.2")])
    }

    @Test func `without a resolver the address of last time is served`() async throws {
        let book = ServerAddressBook(known: ["mesh.example": try addresses("192.0.2.9")]) { host in
            .failure(LookupFailure("cannot look up \(host): no resolver"))
        }
        #expect(try await book.addresses(of: "mesh.example") == addresses("192.0.2.9"))
        let failure = await #expect(throws: LookupFailure.self) { try await book.addresses(of: "other.example") }
        #expect(failure?.description == "cannot look up other.example: no resolver")
    }

    @Test func `a silent resolver is asked once, not again and again, and its late answer counts`() async throws {
        let counter = Counter()
        let late = try addresses("192.0.2.2")
        let gate = DispatchGate()
        let book = ServerAddressBook(known: ["mesh.example": try addresses("192.0.2.1")]) { _ in
            _ = counter.next()
            gate.wait()
            return .success(late)
        }
        #expect(try await book.addresses(of: "mesh.example") == addresses("192.0.2.1"))
        #expect(try await book.addresses(of: "mesh.example") == addresses("192.0.2.1"))
        gate.open()
        #expect(try await book.addresses(of: "mesh.example") == late)
        #expect(counter.next() == 2)
    }

    @Test func `the system's resolver knows this host`() throws {
        #expect(try systemLookup("localhost").get().contains { $0.isLoopback })
        #expect(throws: LookupFailure.self) { try systemLookup("no such host").get() }
    }

    @Test func `a name without address says so in the status`() async throws {
        let server = ServerAddress(host: "mesh.invalid", port: 443, usesTLS: true)
        let sockets = ControlSockets(
            addresses: ServerAddressBook { .failure(LookupFailure("cannot look up \($0): no such name")) }
        )
        let stream = ManagementStream(
            server: server,
            identity: Sample.own,
            setupKey: nil,
            meta: .ofThisHost(hostname: "a"),
            sockets: sockets,
            logger: Sample.quietLogger,
            readyToSync: {}
        )
        let (events, sink) = AsyncStream.makeStream(of: ManagementStream.Event.self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do throws(AgentFailure) { try await stream.run { sink.yield($0) } } catch { sink.finish() }
            }
            for await event in events {
                guard case .state(.disconnected(let reason)) = event else { continue }
                #expect(reason.contains("cannot look up mesh.invalid: no such name"))
                break
            }
            group.cancelAll()
        }
    }
}

/// Blocks a thread until it is opened.
private final class DispatchGate: Sendable {
    private let isOpen = Atomic(false)

    func open() { isOpen.store(true, ordering: .releasing) }
    func wait() { while !isOpen.load(ordering: .acquiring) { usleep(1000) } }
}
