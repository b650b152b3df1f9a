import Glibc
import MeshModel
import NetlinkWire
import WGKernel
import WGTool

/// `set`, `setconf`, `addconf`, `syncconf`: writing.
func set(_ invocation: Invocation) async -> Int32 {
    guard invocation.arguments.count >= 2 else {
        invocation.complainUsage(setUsage)
        return EXIT_FAILURE
    }
    let change: DeviceChange
    do throws(ValueError) {
        change = try SetArguments.parse(
            invocation.arguments.dropFirst(),
            surroundings: HostResolver(),
            files: KeyFileReader(isWG: invocation.isWG)
        )
    } catch {
        complain(error.message)
        return EXIT_FAILURE
    }
    return await apply(change, to: invocation.arguments[0])
}

func setConfiguration(_ invocation: Invocation) async -> Int32 {
    guard var change = readConfiguration(invocation) else { return EXIT_FAILURE }
    change.resetUnnamed()
    return await apply(change, to: invocation.arguments[0])
}

func addConfiguration(_ invocation: Invocation) async -> Int32 {
    guard let change = readConfiguration(invocation) else { return EXIT_FAILURE }
    return await apply(change, to: invocation.arguments[0])
}

func syncConfiguration(_ invocation: Invocation) async -> Int32 {
    guard let change = readConfiguration(invocation) else { return EXIT_FAILURE }
    let name = invocation.arguments[0]
    do throws(NetlinkError) {
        let devices = try KernelDevices()
        let current: DeviceSnapshot
        do throws(NetlinkError) {
            current = try await devices.snapshot(of: name)
        } catch {
            // wg(8) reads on after a failure, and reports the refusal of its write.
            var refusal = error
            if error.code == EINVAL { refusal.code = ENODEV }
            throw refusal
        }
        try await devices.apply(syncPlan(current: current, configuration: change), to: name)
        return EXIT_SUCCESS
    } catch {
        return refused(error)
    }
}

/// - Returns: the exit status.
private func apply(_ change: DeviceChange, to name: String) async -> Int32 {
    do throws(NetlinkError) {
        try await KernelDevices().apply(change, to: name)
        return EXIT_SUCCESS
    } catch {
        return refused(error)
    }
}

private func refused(_ error: NetlinkError) -> Int32 {
    complain("Unable to modify interface: \(errorText(error.code))")
    return EXIT_FAILURE
}

/// The configuration that the second argument names.
///
/// - Returns: `nil` after saying what is wrong with it, or with the arguments.
private func readConfiguration(_ invocation: Invocation) -> DeviceChange? {
    guard invocation.arguments.count == 2 else {
        invocation.complainUsage(configurationUsage)
        return nil
    }
    return readConfiguration(invocation.arguments[1], isWG: invocation.isWG)
}

/// - Returns: `nil` after saying what is wrong with the file.
func readConfiguration(_ path: String, isWG: Bool, skipsQuickKeys: Bool = false) -> DeviceChange? {
    func complainFile(_ error: FileError) { complain(isWG ? error.wgText : error.text) }
    var file: InputFile
    do throws(FileError) {
        file = try InputFile(path)
    } catch {
        complainFile(error)
        return nil
    }
    var parser = ConfigParser(
        surroundings: HostResolver(),
        skipsQuickKeys: skipsQuickKeys,
        expectedBytes: file.expectedBytes
    )
    do throws(ConfigError) {
        // In pieces: memory that is touched costs more than reading.
        while true {
            do throws(FileError) {
                try file.readPiece()
            } catch {
                complainFile(error)
                return nil
            }
            if file.count == 0 { return try parser.finish() }
            let piece = file.buffer.array
            try parser.read(piece.span.extracting(first: file.count))
        }
    } catch {
        var message = ByteText(isWG ? "" : "\(path):\(error.line):\(error.column): ")
        message.append(bytes: error.message.bytes)
        complain(message)
        complain(error.summary)
        return nil
    }
}

/// Reads the files that `set` is given for keys.
private struct KeyFileReader: KeyFiles {
    let isWG: Bool

    func read(_ path: String) throws(ValueError) -> [UInt8] {
        do throws(FileError) {
            return try readFile(path, limitBytes: keyFileLimitBytes)
        } catch {
            // wg(8) counts what it got from a folder.
            if isWG && error.isOpen { throw ValueError(ByteText("Invalid length key in key file")) }
            throw ValueError(ByteText(isWG ? error.wgText : error.text))
        }
    }

    /// A key has 45 bytes; this is room for any white space that follows.
    private var keyFileLimitBytes: Int { 1 << 20 }
}
