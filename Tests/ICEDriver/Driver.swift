import Glibc
import ICE
import MeshModel
import MeshProto

struct DriverError: Error {
    var reason: String
}

/// The shell around one `ICEAgent`: a socket, standard input and output, the clock.
struct Driver {
    private let isControlling: Bool
    private let socket: UDPSocket
    private let credentials: ICECredentials
    private let candidate: LocalCandidate
    private let clock = ContinuousClock()
    private var random = RandomSource(SystemRandomNumberGenerator())
    /// `nil` until the other side's credentials are known.
    private var ice: ICEAgent?
    private var input: [UInt8] = []

    init(isControlling: Bool, address: IPAddress) throws(DriverError) {
        self.isControlling = isControlling
        socket = try UDPSocket(address: address)
        credentials = ICECredentials(usernameFragment: random.letters(16), password: random.letters(32))
        candidate = LocalCandidate(kind: .host, endpoint: socket.local, id: random.iceCharacters(32))
    }

    /// Until the input ends.
    mutating func run() throws(DriverError) {
        say("local \(credentials.usernameFragment) \(credentials.password)")
        let wire = RemoteCandidate(
            kind: .host,
            endpoint: candidate.endpoint,
            priority: candidate.priority,
            id: candidate.id
        )
        say("candidate \(wire.line(usernameFragment: credentials.usernameFragment))")
        while true {
            var polled = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 2, patience) >= 0 || errno == EINTR else { throw DriverError(reason: "poll failed") }
            if polled[0].revents != 0, try !readLines() { return }
            if polled[1].revents != 0 { try receive() }
            if let deadline = ice?.deadline, deadline <= clock.now { handle(.tick) }
        }
    }

    /// Milliseconds until the session wants a tick, rounded up; -1: it wants none.
    private var patience: Int32 {
        guard let deadline = ice?.deadline else { return -1 }
        return Int32(clamping: max(0, Int64((deadline - clock.now) / .milliseconds(1)) + 1))
    }

    /// - Returns: `false` at the end of the input.
    private mutating func readLines() throws(DriverError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        guard count > 0 else { return false }
        input += buffer[..<count]
        while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: input[..<end], as: UTF8.self)
            input.removeFirst(end + 1)
            try obey(line)
        }
        return true
    }

    private mutating func obey(_ line: String) throws(DriverError) {
        let words = line.split(separator: " ", maxSplits: 1).map { String($0) }
        switch (words.first, words.dropFirst().first) {
        case ("remote", let text?):
            let parts = text.split(separator: " ").map { String($0) }
            guard parts.count == 2 else { throw DriverError(reason: "credentials are two words") }
            let remote = ICECredentials(usernameFragment: parts[0], password: parts[1])
            ice = ICEAgent(
                configuration: .init(isControlling: isControlling, local: credentials, remote: remote),
                at: clock.now,
                random: &random
            )
            handle(.localCandidates([candidate]))
        case ("candidate", let text?):
            do throws(WireError) {
                handle(.remoteCandidate(try RemoteCandidate(line: text)))
            } catch {
                throw DriverError(reason: "\(error)")
            }
        default: throw DriverError(reason: "unknown line")
        }
    }

    private mutating func receive() throws(DriverError) {
        guard let (bytes, remote) = socket.receive() else { return }
        guard STUNMessage.isSTUN(bytes) else {
            socket.send(bytes, to: remote)
            return
        }
        do throws(STUNError) {
            let message = try STUNMessage(datagram: bytes)
            let datagram = Datagram(local: socket.local, remote: remote, bytes: bytes)
            handle(.message(message, datagram))
        } catch {
            throw DriverError(reason: "a message of \(bytes.count) bytes: \(error)")
        }
    }

    private mutating func handle(_ input: ICEAgent.Input) {
        guard var agent = ice else { return }
        let effects = agent.handle(input, at: clock.now, random: &random)
        ice = agent
        for effect in effects {
            switch effect {
            case .send(let datagram): socket.send(datagram.bytes, to: datagram.remote)
            case .selected(let pair):
                say("selected \(pair.local.endpoint) \(pair.remote.endpoint) \(pair.remote.kind.rawValue)")
            case .failed(let failure): say("failed \(failure)")
            case .ignored(let reason): say("ignored \(reason)")
            }
        }
    }

    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
