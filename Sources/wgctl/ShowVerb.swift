import Glibc
import NetlinkWire
import WGKernel
import WGTool

/// `show`, `showconf`: reading.
func show(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    let isWatch = invocation.take(flag: "--watch")
    let intervalText = invocation.take(option: "--interval")
    let arguments = invocation.arguments
    if arguments.count > 2 || (arguments.first == "interfaces" && arguments.count > 1) {
        invocation.complainUsage(showUsage)
        return EXIT_FAILURE
    }
    if arguments.count == 1, ["-h", "--help", "help"].contains(arguments[0]) {
        invocation.complainUsage(showUsage)
        return EXIT_SUCCESS
    }
    let request = ShowRequest(invocation: invocation, isJSON: isJSON, fieldName: arguments.dropFirst().first)
    if isWatch || intervalText != nil {
        guard isWatch, arguments.count <= 1, arguments.first != "interfaces",
            let seconds = Int(intervalText ?? "1"), (1...3600).contains(seconds)
        else {
            invocation.complainUsage("[<interface> | all] --watch [--json] [--interval <1 to 3600 seconds>]")
            return EXIT_FAILURE
        }
        return await request.watch(arguments.first, intervalSeconds: seconds)
    }
    do throws(NetlinkError) {
        let devices = try KernelDevices()
        switch arguments.first {
        case "interfaces": return try await request.showNames(devices)
        case nil, "all": return try await request.showAll(devices)
        case .some(let name): return await request.showOne(name, devices)
        }
    } catch {
        complain("Unable to list interfaces: \(errorText(error.code))")
        return EXIT_FAILURE
    }
}

func showConfiguration(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    guard invocation.arguments.count == 1 else {
        invocation.complainUsage("<interface>")
        return EXIT_FAILURE
    }
    do throws(NetlinkError) {
        let device = try await KernelDevices().snapshot(of: invocation.arguments[0])
        var text = ByteText()
        if isJSON {
            let member = JSONValue.device(device, hidesKeys: false, linkNames: KernelDevices.linkName)
            text.append(JSONValue.object([member]))
            text.append("\n")
        } else {
            text.appendConfiguration(of: device, linkNames: KernelDevices.linkName)
        }
        return printing(&text, invocation)
    } catch {
        complain("Unable to access interface: \(errorText(error.code))")
        return EXIT_FAILURE
    }
}

/// What `show` was asked, of whichever interfaces.
private struct ShowRequest {
    let invocation: Invocation
    let isJSON: Bool
    /// `nil`: the text for people.
    let fieldName: String?

    func showNames(_ devices: KernelDevices) async throws(NetlinkError) -> Int32 {
        let names = try await devices.names()
        if isJSON { return printing(Array((JSONValue.list(names.map { .string($0) }).text + "\n").utf8), invocation) }
        if names.isEmpty { return EXIT_SUCCESS }
        return printing(Array((names.joined(separator: " ") + "\n").utf8), invocation)
    }

    func showOne(_ name: String, _ devices: KernelDevices) async -> Int32 {
        let device: DeviceSnapshot
        do throws(NetlinkError) {
            device = try await devices.snapshot(of: name)
        } catch {
            complain("Unable to access interface: \(errorText(error.code))")
            return EXIT_FAILURE
        }
        guard let field = checkedField() else { return EXIT_FAILURE }
        return show([device], field: field, withNames: false)
    }

    func watch(_ name: String?, intervalSeconds: Int) async -> Int32 {
        let watch = Watch(
            intervalSeconds: intervalSeconds,
            style: style,
            isJSON: isJSON,
            isTerminal: isatty(STDOUT_FILENO) == 1
        )
        let devices: KernelDevices
        do throws(NetlinkError) {
            devices = try KernelDevices()
        } catch {
            complain("\(error)")
            return EXIT_FAILURE
        }
        return await watch.run(invocation) {
            do throws(NetlinkError) {
                if let name, name != "all" { return [try await devices.snapshot(of: name)] }
                var all: [DeviceSnapshot] = []
                for name in try await devices.names() { all.append(try await devices.snapshot(of: name)) }
                return all
            } catch {
                complain("Unable to access interface: \(errorText(error.code))")
                return nil
            }
        }
    }

    /// Interfaces that cannot be read are named and left out.
    func showAll(_ devices: KernelDevices) async throws(NetlinkError) -> Int32 {
        let names = try await devices.names()
        var readable: [DeviceSnapshot] = []
        for name in names {
            do throws(NetlinkError) {
                readable.append(try await devices.snapshot(of: name))
            } catch {
                complain("Unable to access interface \(name): \(errorText(error.code))")
                continue
            }
        }
        if names.isEmpty && !isJSON { return EXIT_SUCCESS }
        if readable.isEmpty && !names.isEmpty { return EXIT_FAILURE }
        guard let field = checkedField() else { return EXIT_FAILURE }
        return show(readable, field: field, withNames: true)
    }

    /// - Returns: `nil` for a field that does not exist, after saying so; `.some(nil)`: none was asked for.
    private func checkedField() -> DeviceField?? {
        guard let fieldName else { return .some(nil) }
        if let field = DeviceField(rawValue: fieldName) { return field }
        complain("Invalid parameter: `\(fieldName)'")
        invocation.complainUsage(showUsage)
        return nil
    }

    private var style: ShowStyle {
        ShowStyle(
            colorMode: environmentValue("WG_COLOR_MODE"),
            hideKeys: environmentValue("WG_HIDE_KEYS"),
            isTerminal: isatty(STDOUT_FILENO) == 1
        )
    }

    private func show(_ devices: [DeviceSnapshot], field: DeviceField?, withNames: Bool) -> Int32 {
        if isJSON {
            let hidesKeys = field == nil && style.hidesKeys
            let members = devices.map {
                JSONValue.device($0, field: field, hidesKeys: hidesKeys, linkNames: KernelDevices.linkName)
            }
            var text = ByteText()
            text.append(JSONValue.object(members))
            text.append("\n")
            return printing(&text, invocation)
        }
        if let field { return show(field, of: devices, withNames: withNames) }
        var page = ShowText(style: style, nowSeconds: Int64(time(nil)), linkNames: KernelDevices.linkName)
        for (index, device) in devices.enumerated() {
            if index > 0 { page.appendSeparator() }
            page.append(device)
        }
        defer { page.wipe() }
        return printing(page.text.bytes, invocation)
    }

    /// Prints as it goes: the pages of a long text would cost more than writing it in pieces.
    private func show(_ field: DeviceField, of devices: [DeviceSnapshot], withNames: Bool) -> Int32 {
        var text = ByteText()
        var status = EXIT_SUCCESS
        for device in devices {
            text.append(field, of: device, withName: withNames, linkNames: KernelDevices.linkName) { text in
                // After a failure the rest would be a text with a hole.
                guard text.bytes.count >= Self.pieceBytes, status == EXIT_SUCCESS else { return }
                status = printing(&text, invocation)
            }
        }
        return status == EXIT_SUCCESS ? printing(&text, invocation) : status
    }

    private static let pieceBytes = 32 << 10
}
