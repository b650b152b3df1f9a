/// Bytes from hexadecimal text; blanks and line ends are skipped.
public func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { !$0.isWhitespace }
    precondition(digits.count.isMultiple(of: 2), "odd number of digits in \(hex)")
    return stride(from: 0, to: digits.count, by: 2).map { offset in
        let start = digits.index(digits.startIndex, offsetBy: offset)
        guard let byte = UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16) else {
            preconditionFailure("\(hex) is not hexadecimal")
        }
        return byte
    }
}
