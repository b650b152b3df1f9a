import MeshModel
import MeshProto

/// Files of the state directory; the first byte chooses the kind. The checksum is made right for every other input, since
/// no fuzzer guesses one.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    guard let choice = input.first else { return 0 }
    let (isMap, isSound) = (choice & 1 == 0, choice & 2 == 0)
    let body = Array(input.dropFirst())
    let file = isSound ? StoredFile.encode(kind: isMap ? "map" : "hints", version: 1, content: body) : body
    do throws(StoredFileError) {
        if isMap {
            let stored = try StoredMap(decoding: file)
            require(try StoredMap(decoding: stored.encode()) == stored, "a map that changes when it is written")
            _ = try stored.update()
        } else {
            let hints = try StoredHints(decoding: file)
            require(try StoredHints(decoding: hints.encode()) == hints, "hints that change when they are written")
        }
    } catch {
        require(!error.description.isEmpty, "an error without words")
    }
    return 0
}
