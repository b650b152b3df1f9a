import NetlinkWire

@testable import Routing

/// An object of the kernel's nftables rulesets; the first byte chooses its kind.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    guard let choice = input.first else { return 0 }
    let payload = input.dropFirst()
    do throws(DecodeError) {
        switch choice % 6 {
        case 0: _ = try NftablesTable.decode(payload)
        case 1: _ = try NftablesChain.decode(payload)
        case 2:
            guard let rule = try NftablesRule.decode(payload) else { break }
            _ = "\(NftablesChange.addRule(rule))"
        case 3: _ = try NftablesSet.decode(payload)
        case 4: _ = NftablesInterval.join(try NftablesElement.decodeList(payload))
        default: _ = try NftablesCounter.decode(payload)
        }
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
