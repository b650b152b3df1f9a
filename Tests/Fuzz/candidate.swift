import MeshModel
import MeshProto

/// The text of a candidate, as a peer sends it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let line = String(decoding: bytes(start, count), as: UTF8.self)
    do throws(WireError) {
        let candidate = try RemoteCandidate(line: line)
        let again = try RemoteCandidate(line: candidate.line(usernameFragment: "ufrag"))
        require(again.endpoint == candidate.endpoint, "a candidate's endpoint does not survive printing")
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    return 0
}
