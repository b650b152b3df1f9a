import CNetlink
import Testing

/// Sockets are opened in another network namespace by a thread that ends with it.
struct SocketOpeningTests {
    @Test func `a namespace that is not there is told every time, however fast the thread ends`() {
        for _ in 0..<3000 {
            var error: Int32 = 0
            let socket = CNetlink_open(NETLINK_ROUTE, "/nonexistent/namespace", 1, &error)
            #expect(socket == nil && error == ENOENT)
            if error != ENOENT { return }
        }
    }
}
