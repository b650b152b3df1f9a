import MeshModel
import WGTool

/// Keys, addresses, prefixes and endpoints as text; what can be read prints as the text that means the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = bytes(start, count)
    let text = String(decoding: input, as: UTF8.self)
    if let key = PublicKey(base64: text) {
        require(key.base64 == text, "a key has two texts: \(text)")
        require(PublicKey(bytes: key.bytes) == key, "a key is not its bytes: \(text)")
    }
    require(PublicKey(base64: input.span) == PublicKey(base64: input), "a key's text means two keys: \(text)")
    if let address = IPAddress(text) {
        require(IPAddress("\(address)") == address, "\(text) became \(address)")
        require(IPAddress(bytes: address.bytes) == address, "\(text) is not its bytes")
    }
    if let prefix = IPPrefix(text) {
        require(IPPrefix("\(prefix)") == prefix, "\(text) became \(prefix)")
        require(prefix.network.contains(prefix.address), "\(prefix) is outside its network")
    }
    if let endpoint = Endpoint(text) { require(Endpoint("\(endpoint)") == endpoint, "\(text) became \(endpoint)") }
    do throws(ValueError) {
        let secret = try readSecret(input)
        require(PrivateKey(base64: secret.base64) == secret, "another secret than its text")
    } catch {
        require(!error.message.bytes.contains(UInt8(ascii: "\n")), "an error of several lines")
    }
    return 0
}
