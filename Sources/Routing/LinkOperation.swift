import CNetlink
import NetlinkWire

/// A network namespace, as a process of this machine names it.
public enum NetworkNamespace: Hashable, Sendable {
    /// That of a process, by its id as this process sees it.
    case process(id: Int32)
    /// An open file of `/proc/*/ns/net` or `/run/netns/`, which the caller keeps open.
    case descriptor(Int32)
}

/// A link to be made.
public struct LinkCreation: Hashable, Sendable {
    public var name: String
    /// A driver of virtual links.
    public var kind: String
    /// 0: the kernel chooses.
    public var index: UInt32
    /// `nil`: the kind's default.
    public var mtuBytes: UInt32?
    /// Where it is made; `nil`: here. The packets that WireGuard sends belong to the namespace of the request either way.
    public var namespace: NetworkNamespace?

    public init(
        name: String,
        kind: String = "wireguard",
        index: UInt32 = 0,
        mtuBytes: UInt32? = nil,
        namespace: NetworkNamespace? = nil
    ) {
        self.name = name
        self.kind = kind
        self.index = index
        self.mtuBytes = mtuBytes
        self.namespace = namespace
    }
}

/// One change to a link, of which `link` is the name.
public enum LinkOperation: Hashable, Sendable {
    /// The kernel takes no alias when it makes a link; `setAlias` comes after it.
    case create(LinkCreation)
    /// A link that is up cannot be renamed before kernel 6.2: `EBUSY`.
    case rename(link: String, to: String)
    /// Empty: none.
    case setAlias(link: String, alias: String)
    case setUp(link: String)
    case setDown(link: String)
    /// The link goes down, and loses its addresses and routes; a WireGuard link keeps its keys and peers, and sends its
    /// packets from the namespace it was made in.
    ///
    /// - Parameter name: what it is called there; `nil`: as here.
    case move(link: String, to: NetworkNamespace, name: String?)
    case remove(link: String)
}

/// Commands of ip(8) that do the same.
extension LinkOperation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .create(let link):
            "ip link add dev \(link.name)" + (link.index == 0 ? "" : " index \(link.index)")
                + (link.mtuBytes.map { " mtu \($0)" } ?? "") + (link.namespace.map { " netns \($0)" } ?? "")
                + " type \(link.kind)"
        case .rename(let link, let name): "ip link set dev \(link) name \(name)"
        case .setAlias(let link, let alias): "ip link set dev \(link) alias \"\(alias)\""
        case .setUp(let link): "ip link set dev \(link) up"
        case .setDown(let link): "ip link set dev \(link) down"
        case .move(let link, let namespace, let name):
            "ip link set dev \(link) netns \(namespace)" + (name.map { " name \($0)" } ?? "")
        case .remove(let link): "ip link del dev \(link)"
        }
    }
}

/// As ip-link(8) takes it; a descriptor is one of the process that reads the text.
extension NetworkNamespace: CustomStringConvertible {
    public var description: String {
        switch self {
        case .process(let id): "\(id)"
        case .descriptor(let number): "/proc/self/fd/\(number)"
        }
    }
}

extension LinkOperation {
    /// The name of the link that must be there; `nil`: none.
    var existingLink: String? {
        switch self {
        case .create: nil
        case .rename(let link, _), .setAlias(let link, _), .setUp(let link), .setDown(let link), .move(let link, _, _),
            .remove(let link):
            link
        }
    }

    /// Names that the kernel would refuse with `EINVAL`, or cut.
    var hasValidNames: Bool {
        let names: [String?] =
            switch self {
            case .create(let link): [link.name]
            case .rename(let link, let name): [link, name]
            case .move(let link, _, let name): [link, name]
            case .setAlias(let link, _), .setUp(let link), .setDown(let link), .remove(let link): [link]
            }
        guard names.allSatisfy({ $0.map(isValidLinkName) ?? true }) else { return false }
        switch self {
        case .create(let link):
            // IFNAMSIZ bounds the kind as well (`MODULE_NAME_LEN` is longer).
            return (1...15).contains(link.kind.utf8.count) && link.index <= UInt32(Int32.max)
        case .setAlias(_, let alias): return alias.utf8.count < LinkMessage.aliasLimitBytes
        case .rename, .setUp, .setDown, .move, .remove: return true
        }
    }

    /// - Parameter index: of `existingLink`; 0 without.
    func request(index: UInt32) -> NetlinkRequest {
        switch self {
        case .create(let link):
            request(RTM_NEWLINK, [.create, .exclusive], LinkMessage.header(index: link.index)) { message in
                message.append(IFLA_IFNAME, string: link.name)
                if let mtuBytes = link.mtuBytes { message.append(IFLA_MTU, integer: mtuBytes) }
                link.namespace?.append(to: &message)
                message.nest(IFLA_LINKINFO) { $0.append(IFLA_INFO_KIND, string: link.kind) }
            }
        case .rename(_, let name):
            request(RTM_SETLINK, [], LinkMessage.header(index: index)) { $0.append(IFLA_IFNAME, string: name) }
        case .setAlias(_, let alias):
            request(RTM_SETLINK, [], LinkMessage.header(index: index)) { $0.append(IFLA_IFALIAS, string: alias) }
        case .setUp: request(RTM_SETLINK, [], LinkMessage.up(index: index)) { _ in }
        case .setDown: request(RTM_SETLINK, [], LinkMessage.down(index: index)) { _ in }
        case .move(_, let namespace, let name):
            request(RTM_SETLINK, [], LinkMessage.header(index: index)) { message in
                namespace.append(to: &message)
                if let name { message.append(IFLA_IFNAME, string: name) }
            }
        case .remove: request(RTM_DELLINK, [], LinkMessage.removal(index: index)) { _ in }
        }
    }

    private func request(
        _ type: Int,
        _ flags: NetlinkFlags,
        _ header: [UInt8],
        _ attributes: (inout AttributeEncoder) -> Void
    ) -> NetlinkRequest {
        var message = AttributeEncoder(header: header)
        attributes(&message)
        return NetlinkRequest(
            operation: description,
            target: .routing(type: UInt16(type)),
            flags: flags,
            payload: message.bytes,
            names: Self.names
        )
    }

    private static let names = AttributeNames.table([
        IFLA_IFNAME: .init("IFLA_IFNAME"), IFLA_MTU: .init("IFLA_MTU"), IFLA_IFALIAS: .init("IFLA_IFALIAS"),
        IFLA_NET_NS_PID: .init("IFLA_NET_NS_PID"), IFLA_NET_NS_FD: .init("IFLA_NET_NS_FD"),
        IFLA_LINKINFO: .init("IFLA_LINKINFO", .table([IFLA_INFO_KIND: .init("IFLA_INFO_KIND")])),
    ])
}

extension NetworkNamespace {
    fileprivate func append(to message: inout AttributeEncoder) {
        switch self {
        case .process(let id): message.append(IFLA_NET_NS_PID, integer: UInt32(bitPattern: id))
        case .descriptor(let number): message.append(IFLA_NET_NS_FD, integer: UInt32(bitPattern: number))
        }
    }
}
