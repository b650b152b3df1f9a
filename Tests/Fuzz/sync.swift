import MeshModel
import MeshProto
import SwiftProtobuf

/// Plaintexts of the control plane and of peers; the first byte chooses the message.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    guard let choice = input.first else { return 0 }
    let body = Array(input.dropFirst())
    do {
        switch choice % 4 {
        case 0: _ = try SyncUpdate(wire: Management_SyncResponse(serializedBytes: body))
        case 1: _ = try LoginGrant(wire: Management_LoginResponse(serializedBytes: body))
        case 2: _ = try LoginAttempt(wire: Management_LoginRequest(serializedBytes: body))
        default: _ = try SignalMessage(wire: Signalexchange_Body(serializedBytes: body))
        }
    } catch let error as WireError {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    } catch {
        require(error is BinaryDecodingError || error is SwiftProtobufError, "an error of another kind: \(error)")
    }
    return 0
}
