import MeshModel
import WGKernel
import WGTool

/// A configuration file: what is read, printed and read again is the same device.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = bytes(start, count)
    do throws(ConfigError) {
        let change = try ConfigParser.parse(text, surroundings: NoHost())
        var parser = ConfigParser(surroundings: NoHost())
        let middle = Int(text.first ?? 0) * text.count / 256
        try parser.read(text.span.extracting(..<middle))
        try parser.read(text.span.extracting(middle...))
        require(try parser.finish() == change, "a configuration in two pieces is another one")
        let device = DeviceSnapshot(name: "wg0", configuration: change)
        var printed = ByteText()
        printed.appendConfiguration(of: device) { _ in nil }
        let again = try ConfigParser.parse(printed.bytes, surroundings: NoHost())
        require(
            DeviceSnapshot(name: "wg0", configuration: again) == device,
            "a configuration does not survive printing: \(printed.string)"
        )
        _ = DeviceOperation.encode(change.operations, interface: "wg0")
        require(syncPlan(current: device, configuration: again).isEmpty, "a device needs changes to be what it is")
    } catch {
        let lines = text.count { $0 == UInt8(ascii: "\n") } + 1
        require((1...lines).contains(error.line) && error.column >= 1, "an error at \(error.line):\(error.column)")
    }
    return 0
}

/// Knows numbers only.
private struct NoHost: ConfigSurroundings {
    mutating func warn(_ line: ByteText) {}

    mutating func resolve(
        _ text: Span<UInt8>,
        host: Range<Int>,
        service: Range<Int>
    ) throws(ValueError) -> ScopedEndpoint {
        guard let endpoint = Endpoint(text: text) else { throw ValueError("No such host", text) }
        return ScopedEndpoint(endpoint: endpoint)
    }

    mutating func port(of service: [UInt8]) throws(ValueError) -> UInt16 {
        throw ValueError("No such service", service)
    }
}
