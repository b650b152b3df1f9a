import NetlinkWire
import WGKernel

/// A datagram of the kernel's: message headers, attributes, and the WireGuard device they describe.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let datagram = bytes(start, count)
    do throws(DecodeError) {
        let messages = try NetlinkMessage.decode(datagram: datagram[...])
        for message in messages {
            let again = try NetlinkMessage.decode(datagram: message.encode()[...])
            require(again == [message], "a decoded message does not survive encoding")
        }
        _ = try DeviceSnapshot.decode(messages)
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
