import CNetlink
public import MeshModel
public import NetlinkWire
public import Routing
public import WGKernel

/// A kernel in memory: decodes our requests and keeps the state that a real one would.
///
/// What it knows of the kernel's behaviour is written down at each rule; KernelTests check the same rules on a real one.
public actor FakeKernel: NetlinkTransport {
    /// By index, hence in the kernel's order.
    public internal(set) var links: [LinkSnapshot]
    public internal(set) var addresses: [AddressSnapshot] = []
    public internal(set) var routes: [RouteSnapshot] = []
    /// By link name.
    public internal(set) var devices: [String: DeviceSnapshot] = [:]
    /// Requests that change something, refused ones included.
    public private(set) var writes = 0
    /// `operation` of every request, in order.
    public private(set) var requests: [String] = []

    /// Messages that made rules and routes without a link.
    var rules: [[UInt8]] = []
    var guards: [[UInt8]] = []
    var nftables: [NftablesObject] = []
    var generation: UInt32 = 1
    var nextIndex: UInt32 = 2
    var takenPorts: Set<UInt16> = []
    let traits: Traits
    private var failures: [Int32] = []

    /// What this kernel can do.
    public struct Traits: Sendable {
        /// The module is there.
        public var hasWireGuard = true
        /// The caller has `CAP_NET_ADMIN`.
        public var isPrivileged = true
        /// Kernel 6.16: `WGALLOWEDIP_F_REMOVE_ME`.
        public var removesAllowedIPs = false
        /// Peers and allowed IPs per message of a dump; small, so that tests see devices continued across messages.
        public var dumpItems = 7

        public init() {}
    }

    /// A network namespace with `lo` only.
    public init(traits: Traits = Traits()) {
        self.traits = traits
        links = [LinkSnapshot(index: 1, name: "lo", mtuBytes: 65_536, isUp: true, isLoopback: true)]
    }

    public func execute(_ request: NetlinkRequest) async throws(NetlinkError) -> [NetlinkMessage] {
        requests.append(request.operation)
        do throws(Refusal) {
            return try perform(request)
        } catch {
            throw NetlinkError(operation: request.operation, code: error.code, detail: error.detail)
        }
    }

    /// The next requests that change something fail with these codes, one each; nothing is changed then.
    public func failNext(_ codes: Int32...) { failures += codes }

    private func perform(_ request: NetlinkRequest) throws(Refusal) -> [NetlinkMessage] {
        let payload = request.payload[...]
        switch request.target {
        case .generic(let family, let command, _):
            guard family == WG_GENL_NAME, traits.hasWireGuard else { throw Refusal(ENOENT) }
            // GENL_UNS_ADMIN_PERM: even reading wants the privilege.
            guard traits.isPrivileged else { throw Refusal(EPERM) }
            switch UInt32(command) {
            case WG_CMD_GET_DEVICE.rawValue: return try dumpDevice(payload)
            case WG_CMD_SET_DEVICE.rawValue:
                try beginWrite()
                try setDevice(payload)
                return []
            default: throw Refusal(EOPNOTSUPP)
            }
        case .netfilter(let type): return try dumpNftables(UInt32(type & 0xff), payload)
        case .routing(let type):
            switch Int(type) {
            case RTM_GETLINK: return request.flags.contains(.dump) ? dumpLinks() : try readLink(payload)
            case RTM_GETADDR: return dumpAddresses()
            case RTM_GETROUTE: return try dumpRoutes(payload)
            case RTM_GETRULE: return dumpRules(payload)
            default: break
            }
            try beginWrite()
            guard traits.isPrivileged else { throw Refusal(EPERM) }
            if try changePolicy(type: Int(type), payload: payload) { return [] }
            try changeHost(type: Int(type), payload: payload)
            return []
        }
    }

    func begin(_ operation: String) { requests.append(operation) }

    func beginWrite() throws(Refusal) {
        writes += 1
        if !failures.isEmpty { throw Refusal(failures.removeFirst(), "injected by the test") }
    }
}

/// Why the fake refuses a request.
struct Refusal: Error {
    let code: Int32
    let detail: String?

    init(_ code: Int32, _ detail: String? = nil) {
        self.code = code
        self.detail = detail
    }

    /// Runs a decoder; what it cannot read is `EINVAL`, as in the kernel's attribute validation.
    static func reading<Value>(_ body: () throws(DecodeError) -> Value) throws(Refusal) -> Value {
        do throws(DecodeError) { return try body() } catch { throw Refusal(EINVAL, error.description) }
    }
}

/// What other programs, peers and the administrator do.
extension FakeKernel {
    /// A link that somebody else made; its index.
    @discardableResult
    public func addLink(_ name: String, kind: String? = nil, alias: String? = nil, isUp: Bool = true) -> UInt32 {
        let index = nextIndex
        nextIndex += 1
        links.append(LinkSnapshot(index: index, name: name, alias: alias, kind: kind, mtuBytes: 1500, isUp: isUp))
        if kind == "wireguard" { devices[name] = DeviceSnapshot(name: name, index: index) }
        return index
    }

    public func removeLink(_ name: String) {
        if let index = links.first(where: { $0.name == name })?.index { removeLink(index: index) }
    }

    public func addAddress(_ prefix: IPPrefix, link index: UInt32, flags: UInt32 = 0) {
        addresses.append(AddressSnapshot(linkIndex: index, prefix: prefix, flags: flags))
    }

    public func addRoute(_ route: RouteSnapshot) { routes.append(route) }
    public func removeRoutes(where matches: @Sendable (RouteSnapshot) -> Bool) { routes.removeAll(where: matches) }

    /// Another socket holds this UDP port.
    public func take(port: UInt16) { takenPorts.insert(port) }
    public func release(port: UInt16) { takenPorts.remove(port) }

    public func set(device: DeviceSnapshot) { devices[device.name] = device }

    /// An authenticated packet came from `endpoint`.
    public func roam(_ link: String, peer key: PublicKey, to endpoint: Endpoint) {
        change(link, peer: key) { $0.endpoint = endpoint }
    }

    public func completeHandshake(_ link: String, peer key: PublicKey, atSeconds seconds: Int64) {
        change(link, peer: key) { $0.latestHandshakeSeconds = seconds }
    }

    public func transfer(_ link: String, peer key: PublicKey, receivedBytes: UInt64, sentBytes: UInt64) {
        change(link, peer: key) { peer in
            peer.receivedBytes += receivedBytes
            peer.sentBytes += sentBytes
        }
    }

    private func change(_ link: String, peer key: PublicKey, _ body: (inout PeerSnapshot) -> Void) {
        guard var device = devices[link], let index = device.peers.firstIndex(where: { $0.publicKey == key }) else {
            return
        }
        body(&device.peers[index])
        devices[link] = device
    }
}
