import MeshModel
import WGKernel

@testable import WGTool

/// Knows addresses, the port of `domain` and the host `known.test`; nothing else can be resolved.
final class OfflineSurroundings: ConfigSurroundings {
    private(set) var warnings: [String] = []

    func warn(_ line: ByteText) { warnings.append(line.string) }

    func resolve(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>
    ) throws(ValueError) -> ScopedEndpoint {
        let bytes = text.array
        let port = try port(of: Array(bytes[service]))
        let name = String(decoding: bytes[host], as: UTF8.self)
        let parts = name.split(separator: "%", omittingEmptySubsequences: false)
        let address = name == "known.test" ? IPAddress("192.0.2.44") : IPAddress(String(parts[0]))
        guard let address else { throw ValueError("Name or service not known", text) }
        let scope = parts.count == 2 ? UInt32(parts[1]) ?? 0 : 0
        return ScopedEndpoint(endpoint: Endpoint(address: address, port: port), scope: scope)
    }

    func port(of service: [UInt8]) throws(ValueError) -> UInt16 {
        let name = String(decoding: service, as: UTF8.self)
        guard let port = name == "domain" ? 53 : UInt16(name) else {
            throw ValueError("Servname not supported for ai_socktype", service)
        }
        return port
    }
}

/// Key files by path; another path does not exist.
struct FakeKeyFiles: KeyFiles {
    var contents: [String: String] = [:]

    func read(_ path: String) throws(ValueError) -> [UInt8] {
        guard let text = contents[path] else { throw ValueError(ByteText("fopen: No such file or directory")) }
        return Array(text.utf8)
    }
}

let keyP = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
let keyQ = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
let secretK = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="

func publicKey(_ text: String) -> PublicKey {
    guard let key = PublicKey(base64: text) else { preconditionFailure("\(text) is no key") }
    return key
}

func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }
