import ICE

/// A datagram from anybody who can reach our UDP port.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let datagram = bytes(start, count)
    do throws(STUNError) {
        let message = try STUNMessage(datagram: datagram)
        require(STUNMessage.isSTUN(datagram), "parsed, yet isSTUN denies it")
        _ = message.hasValidIntegrity(key: "a password")
        for attribute in message.attributes {
            require(
                attribute.offset + 4 + attribute.value.count <= message.bytes.count,
                "attribute \(attribute.type) ends outside the message"
            )
        }
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
