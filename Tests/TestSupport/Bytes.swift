/// Bytes from hexadecimal text; white space is ignored: `bytes("0a 00 ff")`.
///
/// A slip in the text is a mistake in the test and stops it.
public func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
    precondition(digits.count.isMultiple(of: 2), "odd number of hexadecimal digits in \(hex)")
    precondition(digits.count == hex.filter { !$0.isWhitespace }.count, "no hexadecimal text: \(hex)")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}

extension Collection<UInt8> {
    /// Lower case, two digits a byte, no separators.
    public var hex: String { map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
}
