/// A line on the agent's local socket. `StatusRequest.swift` is compiled into this program.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let line = bytes(start, count)
    if let request = StatusRequest(line: line) {
        require(request.rawValue.utf8.elementsEqual(line), "\(line) is not \(request)")
    }
    return 0
}
