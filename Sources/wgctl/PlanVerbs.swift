import Glibc
import NetlinkWire
import WGKernel
import WGTool

let planUsage = "[[<interface>] <configuration filename>] | [--socket <path>] [--instance <name>]"
let diffUsage = "{ <interface> | <configuration filename> } { <interface> | <configuration filename> }"

/// Exit status of `plan` and `diff` as of diff(1): 0 means nothing to change, 1 changes, 2 trouble.
private let troubleStatus: Int32 = 2

/// `plan`: what `syncconf` would do, as commands; without a file, what the agent would change now. Touches nothing.
func planConfiguration(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    if invocation.arguments.first.map({ $0.hasPrefix("--") }) ?? true {
        return await withAgent(invocation, usage: planUsage) { options throws(CommandFailure) in
            try AgentClient(path: options.socketPath).run(isJSON ? "plan json" : "plan text")
        }
    }
    guard let path = invocation.arguments.last, invocation.arguments.count <= 2 else {
        invocation.complainUsage(planUsage)
        return troubleStatus
    }
    let name = invocation.arguments.count == 2 ? invocation.arguments[0] : interfaceName(ofFile: path)
    guard let change = readConfiguration(path, isWG: false, skipsQuickKeys: true) else { return troubleStatus }
    do throws(NetlinkError) {
        let current = try await KernelDevices().snapshot(of: name)
        return report(syncPlan(current: current, configuration: change), name: name, isJSON: isJSON, invocation)
    } catch {
        complain("Unable to access interface \(name): \(errorText(error.code))")
        return troubleStatus
    }
}

/// `diff`: what turns the first interface or file into the second, as commands.
func diffConfigurations(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    guard invocation.arguments.count == 2 else {
        invocation.complainUsage(diffUsage)
        return troubleStatus
    }
    guard let old = await device(invocation.arguments[0]), let new = await device(invocation.arguments[1]) else {
        return troubleStatus
    }
    return report(difference(from: old, to: new), name: old.name, isJSON: isJSON, invocation)
}

/// An argument with a slash or a dot at its end part is a file, as wg-quick(8) tells them apart; else an interface.
///
/// - Returns: `nil` after saying why it cannot be read.
private func device(_ argument: String) async -> DeviceSnapshot? {
    if argument.contains("/") || argument.hasSuffix(".conf") {
        let change = readConfiguration(argument, isWG: false, skipsQuickKeys: true)
        return change.map { DeviceSnapshot(name: interfaceName(ofFile: argument), configuration: $0) }
    }
    do throws(NetlinkError) {
        return try await KernelDevices().snapshot(of: argument)
    } catch {
        complain("Unable to access interface \(argument): \(errorText(error.code))")
        return nil
    }
}

/// `/etc/wireguard/wg0.conf` is the configuration of `wg0`.
private func interfaceName(ofFile path: String) -> String {
    let file = path.split(separator: "/").last.map { String($0) } ?? path
    return file.hasSuffix(".conf") ? String(file.dropLast(5)) : file
}

private func report(_ operations: [DeviceOperation], name: String, isJSON: Bool, _ invocation: Invocation) -> Int32 {
    let commands = operations.map { "wg set \(name) \($0)" }
    var text = commands.map { $0 + "\n" }.joined()
    if isJSON {
        let members = [
            JSONValue.Member("interface", .string(name)),
            JSONValue.Member("changes", .list(commands.map { .string($0) })),
        ]
        text = JSONValue.object(members).text + "\n"
    }
    guard printing(Array(text.utf8), invocation) == EXIT_SUCCESS else { return troubleStatus }
    return operations.isEmpty ? EXIT_SUCCESS : EXIT_FAILURE
}
