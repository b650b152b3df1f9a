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
            readOutcome(of: message)
        }
        _ = try DeviceSnapshot.decode(messages)
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}

/// The error that a message may carry, and the attribute it points at, in a request that is as arbitrary as its answer.
private func readOutcome(of message: NetlinkMessage) {
    let target = NetlinkRequest.Target.generic(family: WireGuardFamily.name, command: 1, version: 1)
    let request = NetlinkRequest(
        operation: "set wgm0",
        target: target,
        payload: message.payload,
        names: .table([8: .init("PEERS", .list(.table([9: .init("ALLOWEDIPS", .list(.none))])))])
    )
    do throws(DecodeError) {
        guard let error = try message.failure(of: request.operation) else { return }
        require(error.code > 0, "a failure with code \(error.code)")
        _ = error.located(in: request).description
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
}
