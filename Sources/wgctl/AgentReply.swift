/// What the agent answers: `wgmesh/1 STATUS`, newline, and the text to print.
struct AgentReply: Hashable {
    /// Exit status of the program, 0 to 255.
    var status: UInt8
    var body: [UInt8]

    /// - Returns: `nil` for anything but a whole reply of version 1.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let header = bytes[..<end]
        guard header.starts(with: Self.prefix) else { return nil }
        let digits = header.dropFirst(Self.prefix.count)
        // Only digits: Swift's own parser would also take a sign.
        guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let status = UInt8(String(decoding: digits, as: UTF8.self))
        else { return nil }
        self.status = status
        body = Array(bytes[(end + 1)...])
    }

    /// 0 and 5 (`degraded`) are answers; everything else is an error message.
    var isAnswer: Bool { status == 0 || status == 5 }

    private static let prefix = Array("wgmesh/1 ".utf8)
}
