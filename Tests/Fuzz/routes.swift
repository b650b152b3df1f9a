import AgentCore
import MeshModel

/// The stored wish for routes, and a line of `wgctl` about them or about a peer. `RouteRequest.swift` and `PeerRequest.swift` are
/// compiled into this program.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    if let request = RouteRequest(line: input) {
        require(input.starts(with: Array("routes ".utf8)) || input.starts(with: Array("exit ".utf8)), "\(request)")
    }
    if let request = PeerRequest(line: input) {
        require(input.starts(with: Array("peer ".utf8)) && !request.name.isEmpty, "\(request)")
    }
    guard let text = String(validating: input, as: UTF8.self) else { return 0 }
    if let decoded = PercentEncoding.decode(text) {
        require(PercentEncoding.decode(PercentEncoding.encode(decoded)) == decoded, "\(text) became another text")
    }
    do throws(RouteIntentError) {
        let intent = try RouteIntent(text: text)
        require(try RouteIntent(text: intent.text) == intent, "\(text) became \(intent.text)")
    } catch {
        require(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
    }
    return 0
}
