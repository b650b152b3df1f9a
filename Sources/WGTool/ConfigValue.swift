package import MeshModel
import WGKernel

/// What reading a value needs from the host.
package protocol ConfigSurroundings {
    /// Says something that is no failure; one line, without its end.
    mutating func warn(_ line: ByteText)
    /// The first address of a host, with its port.
    ///
    /// - Parameter text: the whole endpoint, for messages.
    mutating func resolve(host: [UInt8], service: [UInt8], text: [UInt8]) throws(ValueError) -> ScopedEndpoint
    /// The UDP port of a number or service name.
    mutating func port(of service: [UInt8]) throws(ValueError) -> UInt16
}

/// An endpoint with the link index that a link-local address belongs to; 0: none.
package struct ScopedEndpoint: Hashable, Sendable {
    package var endpoint: Endpoint
    package var scope: UInt32

    package init(endpoint: Endpoint, scope: UInt32 = 0) {
        self.endpoint = endpoint
        self.scope = scope
    }
}

/// A value that cannot be read.
package struct ValueError: Error, Hashable, Sendable {
    /// One line in the words of wg(8).
    package var message: ByteText
    /// Where in the value the trouble starts, in bytes.
    package var offset: Int

    package init(_ message: ByteText, offset: Int = 0) {
        self.message = message
        self.offset = offset
    }

    /// ``words: `text'``
    package init(_ words: String, _ text: some Sequence<UInt8>, offset: Int = 0) {
        var message = ByteText(words)
        message.append(": `")
        message.append(bytes: text)
        message.append("'")
        self.init(message, offset: offset)
    }
}

/// The values of the configuration grammar; `set` takes the same.
enum ConfigValue {
    /// 44 characters of base64.
    static func key(_ text: [UInt8]) throws(ValueError) -> [UInt8] {
        guard text.count == keyCharacters, let bytes = Base64.decode(text), bytes.count == keyBytes else {
            throw ValueError("Key is not the correct length or format", text)
        }
        return bytes
    }

    static func publicKey(_ text: [UInt8]) throws(ValueError) -> PublicKey {
        guard let key = PublicKey(bytes: try key(text)) else { preconditionFailure("a checked key is no key") }
        return key
    }

    static func privateKey(_ text: [UInt8]) throws(ValueError) -> PrivateKey {
        guard let key = PrivateKey(bytes: try key(text)) else { preconditionFailure("a checked key is no key") }
        return key
    }

    static func presharedKey(_ text: [UInt8]) throws(ValueError) -> PeerChange.PresharedKeyChange {
        let bytes = try key(text)
        guard let key = PresharedKey(bytes: bytes) else { preconditionFailure("a checked key is no key") }
        return bytes.allSatisfy { $0 == 0 } ? .clear : .set(key)
    }

    /// What a key file holds: nothing, or a key and then only white space.
    ///
    /// - Returns: `nil` for an empty file: take the key away.
    static func keyFile(_ content: [UInt8]) throws(ValueError) -> [UInt8]? {
        if content.isEmpty { return nil }
        guard content.count >= keyCharacters else { throw ValueError(ByteText("Invalid length key in key file")) }
        if let offset = content.dropFirst(keyCharacters).firstIndex(where: { !isWhitespace($0) }) {
            throw ValueError("Found trailing character in key file", [content[offset]], offset: offset)
        }
        return try key(Array(content.prefix(keyCharacters)))
    }

    static func port(_ text: [UInt8], _ surroundings: inout some ConfigSurroundings) throws(ValueError) -> UInt16 {
        if text.isEmpty { throw ValueError(ByteText("Unable to parse empty port")) }
        // Larger numbers and names are for the host to judge; most configurations have neither.
        if text.count <= 5, text.allSatisfy(isDigit), let port = UInt16(String(decoding: text, as: UTF8.self)) {
            return port
        }
        return try surroundings.port(of: text)
    }

    /// `off` in any case, a decimal number, or `0x` and hexadecimal digits. A leading 0 does not make it octal.
    static func fwmark(_ text: [UInt8]) throws(ValueError) -> UInt32 {
        if equalsIgnoringCase(text, "off") { return 0 }
        let isHexadecimal = text.starts(with: "0x".utf8)
        let digits = isHexadecimal ? text.dropFirst(2) : text[...]
        // The initialiser of the standard library takes a sign as well.
        guard let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-"),
            let mark = UInt32(String(decoding: digits, as: UTF8.self), radix: isHexadecimal ? 16 : 10)
        else { throw ValueError("Fwmark is neither 0/off nor 0-0xffffffff", text) }
        return mark
    }

    /// Seconds; `off` in any case is 0.
    static func keepalive(_ text: [UInt8]) throws(ValueError) -> UInt16 {
        if equalsIgnoringCase(text, "off") { return 0 }
        guard text.allSatisfy(isDigit), let seconds = UInt16(String(decoding: text, as: UTF8.self)) else {
            throw ValueError("Persistent keepalive interval is neither 0/off nor 1-65535", text)
        }
        return seconds
    }

    /// `host:port` or `[host]:port`; the host may be a name, the port a service.
    static func endpoint(
        _ text: [UInt8],
        _ surroundings: inout some ConfigSurroundings
    ) throws(ValueError) -> ScopedEndpoint {
        if text.isEmpty { throw ValueError(ByteText("Unable to parse empty endpoint")) }
        let host: ArraySlice<UInt8>
        let colon: Int?
        if text[0] == UInt8(ascii: "[") {
            guard let brace = text.firstIndex(of: UInt8(ascii: "]")) else {
                throw ValueError("Unable to find matching brace of endpoint", text)
            }
            host = text[1..<brace]
            colon = brace + 1
        } else {
            colon = text.lastIndex(of: UInt8(ascii: ":"))
            host = text[..<(colon ?? text.endIndex)]
        }
        guard let colon, colon + 1 < text.count, text[colon] == UInt8(ascii: ":") else {
            throw ValueError("Unable to find port of endpoint", text)
        }
        return try surroundings.resolve(host: Array(host), service: Array(text[(colon + 1)...]), text: text)
    }

    /// Adds a comma-separated list to what a peer shall hold; an empty one empties it.
    ///
    /// `+` and `-` before any of them make the list a change of what the peer holds (wireguard-tools since 1.0.20250521).
    static func allowedIPs(
        _ list: [UInt8],
        into change: inout PeerChange,
        _ surroundings: inout some ConfigSurroundings
    ) throws(ValueError) {
        var offset = 0
        var isIncremental = false
        let items = list.isEmpty ? [] : list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        for item in items {
            let sign = item.first
            let isRemoval = sign == UInt8(ascii: "-")
            let isSigned = isRemoval || sign == UInt8(ascii: "+")
            isIncremental = isIncremental || isSigned
            let text = isSigned ? item.dropFirst() : item
            let prefix = try allowedIP(text, item: item, offset: offset, &surroundings)
            if isRemoval {
                change.addedAllowedIPs.removeAll { $0 == prefix }
                change.removedAllowedIPs.append(prefix)
            } else {
                // Most lists have no removals; searching an empty one is free.
                change.removedAllowedIPs.removeAll { $0 == prefix }
                change.addedAllowedIPs.append(prefix)
            }
            offset += item.count + 1
        }
        if !isIncremental { change.replaceAllowedIPs = true }
    }

    private static func allowedIP(
        _ text: ArraySlice<UInt8>,
        item: ArraySlice<UInt8>,
        offset: Int,
        _ surroundings: inout some ConfigSurroundings
    ) throws(ValueError) -> IPPrefix {
        let slash = text.firstIndex(of: UInt8(ascii: "/"))
        let host = text[..<(slash ?? text.endIndex)]
        guard let address = IPAddress(text: host) else {
            let isSigned = item.count != text.count
            throw ValueError("Unable to parse IP address", isSigned && host.isEmpty ? item : host, offset: offset)
        }
        guard let slash else { return IPPrefix(host: address) }
        let digits = text[(slash + 1)...]
        // Leading zeros are harmless here, and `Int` reads them as decimal.
        guard let first = digits.first, isDigit(first), let length = Int(String(decoding: digits, as: UTF8.self)),
            let prefix = IPPrefix(address: address, length: length)
        else {
            throw ValueError("AllowedIP is not in the correct format", text, offset: offset + slash - text.startIndex)
        }
        let network = prefix.network
        if network != prefix {
            var warning = ByteText("Warning: AllowedIP has nonzero host part: ")
            warning.append(bytes: text)
            surroundings.warn(warning)
        }
        return network
    }

    /// `WG_KEY_LEN_BASE64` without its NUL, and `WG_KEY_LEN`.
    static let keyCharacters = 44
    static let keyBytes = 32
}
