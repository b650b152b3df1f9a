import CNetlink

/// A request that the kernel refused, or whose reply could not be had.
public struct NetlinkError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was asked, such as `set wgm0`.
    public var operation: String
    /// Positive errno. `EBADMSG`: the reply could not be decoded; `ETIMEDOUT`: there was none.
    public var code: Int32
    /// The kernel's extended acknowledgement, or with `EBADMSG` the decoding error; `nil`: none.
    public var detail: String?
    /// Where in our request the kernel points, in bytes from its header; `nil`: nowhere.
    public var offsetBytes: UInt32?
    /// The attribute at `offsetBytes`, such as `WGDEVICE_A_PEERS[3].WGPEER_A_ENDPOINT`; `nil`: none, or not looked for.
    public var path: String?

    public init(
        operation: String,
        code: Int32,
        detail: String? = nil,
        offsetBytes: UInt32? = nil,
        path: String? = nil
    ) {
        self.operation = operation
        self.code = code
        self.detail = detail
        self.offsetBytes = offsetBytes
        self.path = path
    }

    /// A reply that makes no sense.
    public init(operation: String, malformed error: DecodeError) {
        self.init(operation: operation, code: EBADMSG, detail: error.description)
    }

    public var isNoSuchDevice: Bool { code == ENODEV }
    public var isExists: Bool { code == EEXIST }
    public var isNotPermitted: Bool { code == EPERM || code == EACCES }
    /// The kernel has no such generic netlink family, such as WireGuard without its module.
    public var isNoSuchFamily: Bool { code == ENOENT }
    /// `ENOENT`: no such generic netlink family. `EOPNOTSUPP`: no such kind of link.
    public var isNotSupported: Bool { [ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT].contains(code) }
    /// An address or route that is to be removed is not there: `ESRCH` for routes, `EADDRNOTAVAIL` for addresses.
    public var isAbsent: Bool { code == ESRCH || code == EADDRNOTAVAIL || code == ENODEV }
    public var isAddressInUse: Bool { code == EADDRINUSE }
    /// The generation that a transaction was planned for is past; plan again.
    public var isGenerationMismatch: Bool { code == ERESTART }

    /// One line: `set wgm0: Invalid argument (kernel: invalid prefix at WGDEVICE_A_PEERS[0].WGPEER_A_ALLOWEDIPS[2])`.
    public var description: String {
        let reason = CNetlink_errorText(code).map { String(cString: $0) } ?? "error \(code)"
        if detail == nil, path == nil { return "\(operation): \(reason)" }
        let place = path.map { "at \($0)" }
        let words = [detail, place].compactMap(\.self).joined(separator: " ")
        return "\(operation): \(reason) (\(code == EBADMSG ? "reply" : "kernel"): \(words))"
    }

    /// The same error, with the path of the attribute that the kernel points at in `request`.
    public func located(in request: NetlinkRequest) -> NetlinkError {
        guard path == nil, let offsetBytes else { return self }
        let attributes = request.payload.dropFirst(max(0, request.attributesOffset - request.payloadOffset))
        var error = self
        let offset = Int(offsetBytes) - request.attributesOffset
        error.path = attributePath(at: offset, in: attributes, names: request.names)
        return error
    }
}

extension NetlinkMessage {
    /// The outcome in an `NLMSG_ERROR` or `NLMSG_DONE` message, with the kernel's own words if it sent any.
    ///
    /// - Returns: `nil` for success.
    public func failure(of operation: String) throws(DecodeError) -> NetlinkError? {
        let bytes = payload[...]
        // A dump may end with an empty NLMSG_DONE on old kernels; an error always carries its code.
        guard let code = bytes.integer(at: 0, as: Int32.self) else {
            if isDone { return nil }
            throw DecodeError("NLMSG_ERROR: \(bytes.count) bytes, expected at least 4")
        }
        if code >= 0 { return nil }
        guard code != .min else { throw DecodeError("NLMSG_ERROR: code \(code)") }
        var error = NetlinkError(operation: operation, code: -code)
        guard flags & UInt16(NLM_F_ACK_TLVS) != 0 else { return error }
        var start = 4
        if isError {
            guard let requestLength = bytes.integer(at: 4, as: UInt32.self) else {
                throw DecodeError("NLMSG_ERROR: \(bytes.count) bytes, expected at least 20")
            }
            // The kernel repeats the whole request unless the message is capped.
            let isCapped = flags & UInt16(NLM_F_CAPPED) != 0
            start += isCapped ? NetlinkMessage.headerBytes : aligned(Int(requestLength))
        }
        try AttributeDecoder.forEach(bytes.dropFirst(start)) { attribute throws(DecodeError) in
            switch attribute.type {
            case Int(NLMSGERR_ATTR_MSG.rawValue): error.detail = try attribute.string("NLMSGERR_ATTR_MSG")
            case Int(NLMSGERR_ATTR_OFFS.rawValue): error.offsetBytes = try attribute.integer("NLMSGERR_ATTR_OFFS")
            default: break
            }
        }
        return error
    }
}
