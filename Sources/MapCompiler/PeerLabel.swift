package import MeshModel

/// The DNS label of a new peer.
///
/// The host name's own label; where that is taken, or the peer is ephemeral, with the last two octets of its overlay
/// address behind it. Source: spec/wire/management.md A4.4.
package func peerLabel(
    hostname: String,
    address: IPAddress,
    isEphemeral: Bool,
    taken: Set<String>
) throws(AllocationError) -> String {
    let base = try peerLabel(hostname: hostname)
    if !isEphemeral, !taken.contains(base) { return base }
    let suffix = "-" + address.bytes.suffix(2).map { String($0) }.joined(separator: "-")
    // Stock servers let the suffix push a long name beyond what DNS allows; such a name would never resolve.
    let label = base.prefix(maximumLabelBytes - suffix.utf8.count) + suffix
    guard !taken.contains(String(label)) else { throw .labelTaken(String(label)) }
    return String(label)
}

/// First label of the host name, in punycode; runs of anything but letters, digits and `-` become one `-`; lower case;
/// at most 59 characters.
package func peerLabel(hostname: String) throws(AllocationError) -> String {
    let first = hostname.unicodeScalars.prefix { $0 != "." }
    guard !first.isEmpty else { throw .emptyHostname }
    let ascii = first.allSatisfy(\.isASCII) ? String(String.UnicodeScalarView(first)) : "xn--" + punycode(Array(first))
    var label = ""
    var isInRun = false
    for byte in ascii.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            label.unicodeScalars.append(Unicode.Scalar(byte))
            isInRun = false
        case UInt8(ascii: "A")...UInt8(ascii: "Z"):
            label.unicodeScalars.append(Unicode.Scalar(byte | 0x20))
            isInRun = false
        default:
            if !isInRun { label.append("-") }
            isInRun = true
        }
    }
    return String(label.prefix(maximumBaseBytes))
}

/// What stock servers leave of a host name.
private let maximumBaseBytes = 59
/// RFC 1035, section 2.3.4.
private let maximumLabelBytes = 63

/// RFC 3492, section 6.3, for one label of at most some hundred characters. Upper case is kept.
func punycode(_ input: [Unicode.Scalar]) -> String {
    let (tMin, tMax, base) = (1, 26, 36)
    var output = input.filter(\.isASCII).map(Character.init)
    let basicCount = output.count
    if basicCount > 0 { output.append("-") }
    var (n, delta, bias, handled) = (0x80, 0, 72, basicCount)
    while handled < input.count {
        guard let next = input.lazy.map({ Int($0.value) }).filter({ $0 >= n }).min() else {
            preconditionFailure("\(handled) of \(input.count) characters handled, but none is left")
        }
        delta += (next - n) * (handled + 1)
        n = next
        for scalar in input {
            if scalar.value < n { delta += 1 }
            guard scalar.value == n else { continue }
            var (q, k) = (delta, base)
            while true {
                let threshold = min(max(k - bias, tMin), tMax)
                if q < threshold { break }
                output.append(digit(threshold + (q - threshold) % (base - threshold)))
                q = (q - threshold) / (base - threshold)
                k += base
            }
            output.append(digit(q))
            bias = adapt(delta, count: handled + 1, isFirst: handled == basicCount)
            delta = 0
            handled += 1
        }
        delta += 1
        n += 1
    }
    return String(output)
}

/// Bias adaptation, RFC 3492, section 6.1.
private func adapt(_ delta: Int, count: Int, isFirst: Bool) -> Int {
    let (tMin, tMax, base, skew, damp) = (1, 26, 36, 38, 700)
    var delta = isFirst ? delta / damp : delta / 2
    delta += delta / count
    var k = 0
    while delta > (base - tMin) * tMax / 2 {
        delta /= base - tMin
        k += base
    }
    return k + (base - tMin + 1) * delta / (delta + skew)
}

/// 0 to 25: a to z; 26 to 35: 0 to 9.
private func digit(_ value: Int) -> Character {
    Character(Unicode.Scalar(UInt8(value < 26 ? 0x61 + value : 0x30 + value - 26)))
}
