package import MeshModel
import WGKernel

/// What reading a value needs from the host.
package protocol ConfigSurroundings {
    /// Says something that is no failure; one line, without its end.
    mutating func warn(_ line: ByteText)
    /// The first address of a host, with its port.
    ///
    /// - Parameters:
    ///   - text: the whole endpoint.
    ///   - host: where in it the host is.
    ///   - service: where in it the port is, or the name of a service.
    mutating func resolve(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>
    ) throws(ValueError) -> ScopedEndpoint
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
    package init(_ words: String, _ text: some Collection<UInt8>, offset: Int = 0) {
        var message = ByteText(words)
        message.append(": `")
        message.append(bytes: text)
        message.append("'")
        self.init(message, offset: offset)
    }

    /// ``words: `text'``
    package init(_ words: String, _ text: Span<UInt8>, offset: Int = 0) {
        self.init(words, text.array, offset: offset)
    }
}

/// The values of the configuration grammar; `set` takes the same.
enum ConfigValue {
    static func publicKey(_ text: Span<UInt8>) throws(ValueError) -> PublicKey {
        guard let key = PublicKey(base64: text) else { throw notKey(text) }
        return key
    }

    static func privateKey(_ text: Span<UInt8>) throws(ValueError) -> PrivateKey {
        guard let key = PrivateKey(base64: text) else { throw notKey(text) }
        return key
    }

    static func presharedKey(_ text: Span<UInt8>) throws(ValueError) -> PeerChange.PresharedKeyChange {
        guard let key = PresharedKey(base64: text) else { throw notKey(text) }
        return key.isZero ? .clear : .set(key)
    }

    private static func notKey(_ text: Span<UInt8>) -> ValueError {
        ValueError("Key is not the correct length or format", text)
    }

    /// What a key file holds: nothing, or a key and then only white space.
    ///
    /// - Returns: `nil` for an empty file: take the key away.
    static func keyFile<Key>(
        _ content: [UInt8],
        _ read: (Span<UInt8>) throws(ValueError) -> Key
    ) throws(ValueError) -> Key? {
        if content.isEmpty { return nil }
        guard content.count >= keyCharacters else { throw ValueError(ByteText("Invalid length key in key file")) }
        if let offset = content.dropFirst(keyCharacters).firstIndex(where: { !isWhitespace($0) }) {
            throw ValueError("Found trailing character in key file", [content[offset]], offset: offset)
        }
        return try read(content.span.extracting(first: keyCharacters))
    }

    static func port(
        _ text: Span<UInt8>,
        _ surroundings: inout any ConfigSurroundings
    ) throws(ValueError) -> UInt16 {
        if text.isEmpty { throw ValueError(ByteText("Unable to parse empty port")) }
        // Larger numbers and names are for the host to judge; most configurations have neither.
        if text.count <= 5, let number = text.decimal, let port = UInt16(exactly: number) { return port }
        return try surroundings.port(of: text.array)
    }

    /// `off` in any case, a decimal number, or `0x` and hexadecimal digits. A leading 0 does not make it octal.
    static func fwmark(_ text: Span<UInt8>) throws(ValueError) -> UInt32 {
        if equalsIgnoringCase(text, "off") { return 0 }
        if text.count > 2, text[0] == UInt8(ascii: "0"), text[1] == UInt8(ascii: "x") {
            let digits = text.extracting(2...).array
            // The initialiser of the standard library takes a sign as well.
            if digits[0] != UInt8(ascii: "+"), digits[0] != UInt8(ascii: "-"),
                let mark = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                return mark
            }
        } else if let mark = text.decimal {
            return mark
        }
        throw ValueError("Fwmark is neither 0/off nor 0-0xffffffff", text)
    }

    /// Seconds; `off` in any case is 0.
    static func keepalive(_ text: Span<UInt8>) throws(ValueError) -> UInt16 {
        if equalsIgnoringCase(text, "off") { return 0 }
        guard let number = text.decimal, let seconds = UInt16(exactly: number) else {
            throw ValueError("Persistent keepalive interval is neither 0/off nor 1-65535", text)
        }
        return seconds
    }

    /// `host:port` or `[host]:port`; the host may be a name, the port a service.
    static func endpoint(
        _ text: Span<UInt8>,
        _ surroundings: inout any ConfigSurroundings
    ) throws(ValueError) -> ScopedEndpoint {
        if text.isEmpty { throw ValueError(ByteText("Unable to parse empty endpoint")) }
        let host: Range<Int>
        var colon: Int
        if text[0] == UInt8(ascii: "[") {
            guard let brace = text.firstIndex(of: UInt8(ascii: "]")) else {
                throw ValueError("Unable to find matching brace of endpoint", text)
            }
            host = 1..<brace
            colon = brace + 1
        } else {
            colon = text.count - 1
            while colon > 0, text[colon] != UInt8(ascii: ":") { colon -= 1 }
            host = 0..<colon
        }
        guard colon + 1 < text.count, text[colon] == UInt8(ascii: ":") else {
            throw ValueError("Unable to find port of endpoint", text)
        }
        return try surroundings.resolve(text, host: host, service: colon + 1..<text.count)
    }

    /// Adds a comma-separated list to what a peer shall hold; an empty one empties it.
    ///
    /// `+` and `-` before any of them make the list a change of what the peer holds (wireguard-tools since 1.0.20250521).
    static func allowedIPs(
        _ list: Span<UInt8>,
        into change: inout PeerChange,
        _ surroundings: inout any ConfigSurroundings
    ) throws(ValueError) {
        var isIncremental = false
        var start = 0
        while !list.isEmpty {
            let comma = list.firstIndex(of: UInt8(ascii: ","), from: start)
            let item = start..<(comma ?? list.count)
            let sign = item.isEmpty ? nil : list[start]
            let isRemoval = sign == UInt8(ascii: "-")
            let isSigned = isRemoval || sign == UInt8(ascii: "+")
            isIncremental = isIncremental || isSigned
            let prefix = try allowedIP(list, item: item, isSigned: isSigned, &surroundings)
            if isRemoval {
                change.addedAllowedIPs.removeAll { $0 == prefix }
                change.removedAllowedIPs.append(prefix)
            } else {
                // Most lists have no removals.
                if !change.removedAllowedIPs.isEmpty { change.removedAllowedIPs.removeAll { $0 == prefix } }
                change.addedAllowedIPs.append(prefix)
            }
            guard let comma else { break }
            start = comma + 1
        }
        if !isIncremental { change.replaceAllowedIPs = true }
    }

    /// - Parameter item: where in the list it is, with its sign.
    private static func allowedIP(
        _ list: Span<UInt8>,
        item: Range<Int>,
        isSigned: Bool,
        _ surroundings: inout any ConfigSurroundings
    ) throws(ValueError) -> IPPrefix {
        let text = list.extracting(isSigned ? item.dropFirst() : item)
        let slash = text.firstIndex(of: UInt8(ascii: "/"))
        let host = text.extracting(..<(slash ?? text.count))
        guard let address = IPAddress(text: host) else {
            let shown = isSigned && host.isEmpty ? list.extracting(item) : host
            throw ValueError("Unable to parse IP address", shown, offset: item.lowerBound)
        }
        guard let slash else { return IPPrefix(host: address) }
        guard let length = text.extracting((slash + 1)...).decimal,
            let prefix = IPPrefix(address: address, length: Int(length))
        else {
            throw ValueError("AllowedIP is not in the correct format", text, offset: item.lowerBound + slash)
        }
        let network = prefix.network
        if network != prefix {
            var warning = ByteText("Warning: AllowedIP has nonzero host part: ")
            warning.append(bytes: text.array)
            surroundings.warn(warning)
        }
        return network
    }

    /// `WG_KEY_LEN_BASE64` without its NUL, and `WG_KEY_LEN`.
    static let keyCharacters = 44
    static let keyBytes = 32
}
