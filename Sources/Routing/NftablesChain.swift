import CNetlink
import NetlinkWire

/// A chain: regular, or hooked into the packets' way.
public struct NftablesChain: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable { case filter, nat, route }
    public enum Policy: Hashable, Sendable { case accept, drop }

    /// Source: `enum nf_inet_hooks`, linux/netfilter.h.
    public enum Hook: UInt32, Hashable, Sendable {
        case prerouting = 0
        case input = 1
        case forward = 2
        case output = 3
        case postrouting = 4
        case ingress = 5
    }

    public struct Base: Hashable, Sendable {
        public var kind: Kind
        public var hook: Hook
        /// Lower sees packets earlier; 0: filter, -300: before connection tracking.
        public var priority: Int32
        public var policy: Policy
        /// For hook `ingress`.
        public var devices: [String]

        public init(kind: Kind, hook: Hook, priority: Int32, policy: Policy, devices: [String] = []) {
            self.kind = kind
            self.hook = hook
            self.priority = priority
            self.policy = policy
            self.devices = devices
        }
    }

    public var name: NftablesName
    /// `nil`: a regular chain, reached by jump or goto.
    public var base: Base?
    /// At most 127 bytes; `nil`: none.
    public var comment: String?
    /// The kernel's number; 0: not read from the kernel.
    public var handle: UInt64

    public init(_ name: NftablesName, base: Base? = nil, comment: String? = nil, handle: UInt64 = 0) {
        self.name = name
        self.base = base
        self.comment = comment
        self.handle = handle
    }
}

extension NftablesChain {
    func encode() -> [UInt8] {
        var message = AttributeEncoder(header: NftablesWire.header(name.table.family))
        message.append(Int(NFTA_CHAIN_TABLE.rawValue), string: name.table.name)
        message.append(Int(NFTA_CHAIN_NAME.rawValue), string: name.name)
        if let base {
            message.nest(Int(NFTA_CHAIN_HOOK.rawValue)) { hook in
                hook.append(Int(NFTA_HOOK_HOOKNUM.rawValue), bigEndian: base.hook.number(in: name.table.family))
                hook.append(Int(NFTA_HOOK_PRIORITY.rawValue), bigEndian: base.priority)
                if base.devices.count == 1 { hook.append(Int(NFTA_HOOK_DEV.rawValue), string: base.devices[0]) }
                guard base.devices.count > 1 else { return }
                hook.nest(Int(NFTA_HOOK_DEVS.rawValue)) { list in
                    for device in base.devices { list.append(Int(NFTA_DEVICE_NAME.rawValue), string: device) }
                }
            }
            message.append(Int(NFTA_CHAIN_TYPE.rawValue), string: base.kind.rawValue)
            let policy: Int32 = base.policy == .accept ? NftablesVerdict.accept.code : NftablesVerdict.drop.code
            message.append(Int(NFTA_CHAIN_POLICY.rawValue), bigEndian: policy)
        }
        if let comment {
            message.append(Int(NFTA_CHAIN_USERDATA.rawValue), bytes: NftablesUserData.encode(comment: comment))
        }
        return message.bytes
    }

    /// - Parameter payload: begins with `struct nfgenmsg`.
    /// - Returns: `nil` for a family, hook or type we do not know.
    static func decode(_ payload: ArraySlice<UInt8>) throws(DecodeError) -> NftablesChain? {
        guard let (family, attributes) = try NftablesWire.decodeHeader(payload) else { return nil }
        var chain = NftablesChain(NftablesName(NftablesTableName(family, ""), ""))
        var kind: String?
        var policy: Int32 = NftablesVerdict.accept.code
        var hook: HookAttributes?
        try AttributeDecoder.forEach(attributes) { attribute throws(DecodeError) in
            switch UInt32(attribute.type) {
            case NFTA_CHAIN_TABLE.rawValue: chain.name.table.name = try attribute.string("NFTA_CHAIN_TABLE")
            case NFTA_CHAIN_NAME.rawValue: chain.name.name = try attribute.string("NFTA_CHAIN_NAME")
            case NFTA_CHAIN_HANDLE.rawValue: chain.handle = try attribute.bigEndian("NFTA_CHAIN_HANDLE")
            case NFTA_CHAIN_TYPE.rawValue: kind = try attribute.string("NFTA_CHAIN_TYPE")
            case NFTA_CHAIN_POLICY.rawValue: policy = try attribute.bigEndian("NFTA_CHAIN_POLICY")
            case NFTA_CHAIN_HOOK.rawValue: hook = try HookAttributes(attribute)
            case NFTA_CHAIN_USERDATA.rawValue:
                chain.comment = NftablesUserData.decodeComment(attribute.payload)
            default: break
            }
        }
        guard !chain.name.name.isEmpty else { throw DecodeError("missing", path: ["NFTA_CHAIN_NAME"]) }
        guard let hook else { return chain }
        guard let kind = kind.flatMap(Kind.init), let number = Hook(number: hook.number, in: family) else { return nil }
        chain.base = Base(
            kind: kind,
            hook: number,
            priority: hook.priority,
            policy: policy == NftablesVerdict.drop.code ? .drop : .accept,
            devices: hook.devices
        )
        return chain
    }
}

/// The content of `NFTA_CHAIN_HOOK`.
private struct HookAttributes {
    var number: UInt32 = 0
    var priority: Int32 = 0
    var devices: [String] = []

    init(_ attribute: Attribute) throws(DecodeError) {
        try attribute.forEachNested("NFTA_CHAIN_HOOK") { hook throws(DecodeError) in
            switch UInt32(hook.type) {
            case NFTA_HOOK_HOOKNUM.rawValue: number = try hook.bigEndian("NFTA_HOOK_HOOKNUM")
            case NFTA_HOOK_PRIORITY.rawValue: priority = try hook.bigEndian("NFTA_HOOK_PRIORITY")
            case NFTA_HOOK_DEV.rawValue: devices = [try hook.string("NFTA_HOOK_DEV")]
            case NFTA_HOOK_DEVS.rawValue:
                devices = []
                try hook.forEachNested("NFTA_HOOK_DEVS") { device throws(DecodeError) in
                    devices.append(try device.string("NFTA_DEVICE_NAME"))
                }
            default: break
            }
        }
    }
}

extension NftablesChain.Hook {
    /// Device chains have one hook of their own, number 0 (`NF_NETDEV_INGRESS`).
    func number(in family: NftablesFamily) -> UInt32 { family == .netdev ? 0 : rawValue }

    init?(number: UInt32, in family: NftablesFamily) {
        if family == .netdev {
            guard number == 0 else { return nil }
            self = .ingress
        } else {
            self.init(rawValue: number)
        }
    }
}
