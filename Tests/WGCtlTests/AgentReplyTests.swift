import Testing

@testable import wgctl

struct AgentReplyTests {
    @Test func `a reply is its status and its body`() throws {
        let reply = try #require(AgentReply(Array("wgmesh/1 5\npeers: 1\n".utf8)))
        #expect(reply.status == 5 && reply.isAnswer)
        #expect(String(decoding: reply.body, as: UTF8.self) == "peers: 1\n")
    }

    @Test func `an empty body is a body`() {
        #expect(AgentReply(Array("wgmesh/1 10\n".utf8))?.body == [])
        #expect(AgentReply(Array("wgmesh/1 10\n".utf8))?.isAnswer == false)
    }

    @Test(
        arguments: [
            "", "\n", "wgmesh/1 0", "wgmesh/1 \n", "wgmesh/1 256\n", "wgmesh/1 -1\n", "wgmesh/1 +1\n", "wgmesh/2 0\n",
            "wgmesh/1 0 \n", "HTTP/1.1 200 OK\n", "wgmesh/1 0000\n",
        ]
    )
    func `anything else is no reply`(text: String) { #expect(AgentReply(Array(text.utf8)) == nil) }
}
