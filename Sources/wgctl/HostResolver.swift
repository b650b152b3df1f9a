import Glibc
import MeshModel
import WGTool

/// Answers the questions of a configuration by getaddrinfo(3), and tries again as wg(8) does.
struct HostResolver: ConfigSurroundings {
    private enum Retries {
        case limited(UInt32)
        case endless
    }

    /// Asked of the environment once: a configuration has many endpoints.
    private var knownRetries: Retries?

    mutating func warn(_ line: ByteText) { complain(line) }

    mutating func resolve(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>
    ) throws(ValueError) -> ScopedEndpoint {
        let retries: Retries
        if let knownRetries { retries = knownRetries } else { retries = try Self.retries() }
        knownRetries = retries
        // Numbers need no resolver, and large configurations have nothing else.
        if let endpoint = Endpoint(text: text) { return ScopedEndpoint(endpoint: endpoint) }
        return try lookUp(text, host: host, service: service, retries)
    }

    private mutating func lookUp(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>,
        _ retries: Retries
    ) throws(ValueError) -> ScopedEndpoint {
        var retries = retries
        var delaySeconds = 1.0
        while true {
            let (code, found) = lookUp(host: cString(text.extracting(host)), service: cString(text.extracting(service)))
            if let found { return found }
            if code == 0 { throw ValueError("Neither IPv4 nor IPv6 address found", text) }
            let isFinal = [EAI_NONAME, EAI_FAIL, eaiNoData].contains(code)
            if case .limited(let left) = retries {
                if isFinal || left == 0 { throw ValueError(String(cString: gai_strerror(code)), text) }
                retries = .limited(left - 1)
            } else if isFinal {
                throw ValueError(String(cString: gai_strerror(code)), text)
            }
            var notice = ValueError(String(cString: gai_strerror(code)), text).message
            notice.append(". Trying again in \(hundredths(delaySeconds)) seconds...")
            warn(notice)
            usleep(UInt32(delaySeconds * 1_000_000))
            delaySeconds = min(delaySeconds * 1.2, Self.longestDelaySeconds)
        }
    }

    mutating func port(of service: [UInt8]) throws(ValueError) -> UInt16 {
        let (code, found) = lookUp(host: nil, service: cString(service.span))
        if let found { return found.endpoint.port }
        if code == 0 { throw ValueError("Neither IPv4 nor IPv6 address found", service) }
        throw ValueError(String(cString: gai_strerror(code)), service)
    }

    /// - Returns: the first address, or the code of the failure; neither if the first address is neither v4 nor v6.
    private func lookUp(host: [CChar]?, service: [CChar]) -> (code: Int32, found: ScopedEndpoint?) {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_UDP)
        if host == nil { hints.ai_flags = AI_PASSIVE }
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, service, &hints, &list)
        guard code == 0, let first = list else { return (code, nil) }
        defer { freeaddrinfo(list) }
        return (0, ScopedEndpoint(first.pointee))
    }

    /// `WG_ENDPOINT_RESOLUTION_RETRIES`: a number, or `infinity`; 15 if it is not set.
    private static func retries() throws(ValueError) -> Retries {
        guard let text = environmentValue("WG_ENDPOINT_RESOLUTION_RETRIES") else { return .limited(15) }
        if text == "infinity" { return .endless }
        if text.isEmpty { return .limited(0) }
        let number = text.drop { $0.isWhitespace }
        guard number.utf8.first != UInt8(ascii: "-"), let count = Int32(number) else {
            throw ValueError("Unable to parse WG_ENDPOINT_RESOLUTION_RETRIES", text.utf8)
        }
        return .limited(UInt32(count))
    }

    private static let longestDelaySeconds = 20.0
}

extension ScopedEndpoint {
    /// - Returns: `nil` unless the address is v4 or v6.
    fileprivate init?(_ information: addrinfo) {
        guard let pointer = UnsafeRawPointer(information.ai_addr) else { return nil }
        switch (information.ai_family, Int(information.ai_addrlen)) {
        case (AF_INET, MemoryLayout<sockaddr_in>.size):
            let socketAddress = pointer.loadUnaligned(as: sockaddr_in.self)
            let bytes = withUnsafeBytes(of: socketAddress.sin_addr) { Array($0) }
            guard let address = IPAddress(bytes: bytes) else { return nil }
            self.init(endpoint: Endpoint(address: address, port: UInt16(bigEndian: socketAddress.sin_port)))
        case (AF_INET6, MemoryLayout<sockaddr_in6>.size):
            let socketAddress = pointer.loadUnaligned(as: sockaddr_in6.self)
            let bytes = withUnsafeBytes(of: socketAddress.sin6_addr) { Array($0) }
            guard let address = IPAddress(bytes: bytes) else { return nil }
            let endpoint = Endpoint(address: address, port: UInt16(bigEndian: socketAddress.sin6_port))
            self.init(endpoint: endpoint, scope: socketAddress.sin6_scope_id)
        default: return nil
        }
    }
}

private func cString(_ text: Span<UInt8>) -> [CChar] {
    var characters: [CChar] = []
    for index in text.indices { characters.append(CChar(bitPattern: text[index])) }
    return characters + [0]
}

/// `EAI_NODATA` of glibc, which hides it without _GNU_SOURCE.
private let eaiNoData: Int32 = -5

/// `1.00`, rounded as printf does.
private func hundredths(_ seconds: Double) -> String {
    let scaled = UInt64((seconds * 100).rounded())
    let decimals = String(scaled % 100)
    return "\(scaled / 100).\(decimals.count == 1 ? "0" : "")\(decimals)"
}
