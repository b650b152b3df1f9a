import ArgumentParser
import CommandLineSupport
import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import WGKernel

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the kernel's WireGuard interfaces, in the format of `wg show`.",
        discussion: """
            Fields: \(WGShow.Field.allCases.map(\.rawValue).joined(separator: ", ")). Fields, and with \
            WG_HIDE_KEYS=never the text too, print private keys. Needs root.
            """
    )

    @Argument(help: "An interface, `all`, or `interfaces` for their names.")
    var interface = "all"
    @Argument(help: "One field, for programs; without it a text for people.", transform: readField)
    var field: WGShow.Field?

    func run() async throws {
        do {
            write(Array(try await text().utf8), to: STDOUT_FILENO)
        } catch let error as NetlinkError {
            throw CommandFailure(error, link: interface)
        }
    }

    private func text() async throws -> String {
        let transport = try NetlinkSocket()
        let host = HostNetwork(transport: transport)
        let links = try await host.links()
        let linkNames = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        switch interface {
        case "interfaces":
            let names = try await host.wireGuardLinkNames()
            return names.isEmpty ? "" : names.joined(separator: " ") + "\n"
        case "all":
            let names = try await host.wireGuardLinkNames()
            let devices = try await readAll(names, transport: transport)
            let texts = devices.map { format($0, isLabelled: true, linkNames: linkNames) }
            return texts.joined(separator: field == nil ? "\n" : "")
        default:
            let device = try await WireGuardDevice(name: interface, transport: transport).snapshot()
            return format(device, isLabelled: false, linkNames: linkNames)
        }
    }

    /// One that cannot be read is named on standard error and left out; if none can be, that is a failure.
    private func readAll(_ names: [String], transport: NetlinkSocket) async throws -> [DeviceSnapshot] {
        var devices: [DeviceSnapshot] = []
        var failures: [NetlinkError] = []
        for name in names {
            do throws(NetlinkError) {
                devices.append(try await WireGuardDevice(name: name, transport: transport).snapshot())
            } catch {
                failures.append(error)
            }
        }
        if devices.isEmpty, let failure = failures.first { throw failure }
        for failure in failures { write(Array("wgctl: \(failure)\n".utf8), to: STDERR_FILENO) }
        return devices
    }

    private func format(_ device: DeviceSnapshot, isLabelled: Bool, linkNames: [UInt32: String]) -> String {
        if let field { return WGShow.field(field, of: device, isLabelled: isLabelled, linkNames: linkNames) }
        let hidesKeys = environment("WG_HIDE_KEYS") != "never"
        let now = Int64(time(nil))
        return WGShow.pretty(device, nowSeconds: now, hidesKeys: hidesKeys, linkNames: linkNames)
    }
}

@Sendable private func readField(_ text: String) throws -> WGShow.Field {
    guard let field = WGShow.Field(rawValue: text) else {
        let known = WGShow.Field.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("there is no field \(text); there are \(known)")
    }
    return field
}
