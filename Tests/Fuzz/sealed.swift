import MeshModel
import MeshProto

private let key: BoxKey = {
    guard let own = PrivateKey(bytes: [UInt8](repeating: 1, count: 32)),
        let other = PrivateKey(bytes: [UInt8](repeating: 2, count: 32))
    else { fatalError("32 bytes are no key") }
    do throws(SealedBodyError) {
        return try BoxKey(own: own, other: other.publicKey)
    } catch {
        fatalError("no box of two keys: \(error)")
    }
}()

/// A sealed body from anybody who can reach the server: nobody can make one that opens, and what we seal opens.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let body = bytes(start, count)
    do throws(SealedBodyError) {
        _ = try key.open(body)
        fatalError("a forged body opens")
    } catch {
        require(!"\(error)".contains("\n"), "an error of several lines: \(error)")
    }
    do throws(SealedBodyError) {
        let opened = try key.open(key.seal(body))
        require(opened == body, "sealing and opening changes the body")
    } catch {
        fatalError("our own sealed body does not open: \(error)")
    }
    return 0
}
