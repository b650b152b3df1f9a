import Glibc
import MeshModel
import NetlinkSocket
import NetlinkWire
import Routing
import WGKernel
import WGTool

let doctorUsage = "[--json] [--state-dir <path>] [--socket <path>] [--instance <name>]"

/// `doctor`: what on this host keeps the mesh from working, and the remedy for each.
func diagnose(_ invocation: Invocation) async -> Int32 {
    var invocation = invocation
    let isJSON = invocation.take(flag: "--json")
    let stateDirectory = invocation.take(option: "--state-dir")
    return await withAgent(invocation, usage: doctorUsage) { options throws(CommandFailure) in
        let folder = stateDirectory ?? "/var/lib/wgmesh" + (options.instanceName.map { "/\($0)" } ?? "")
        let findings = try await picture(options, stateDirectory: folder).findings
        let output = isJSON ? json(of: findings).text + "\n" : text(of: findings)
        guard printing(Array(output.utf8), invocation) == EXIT_SUCCESS else { return ExitStatus.failure.rawValue }
        let isHealthy = findings.allSatisfy { $0.severity == .note }
        return (isHealthy ? ExitStatus.success : .degraded).rawValue
    }
}

func text(of findings: [Finding]) -> String {
    let blocks = findings.map { finding in
        "\(finding.severity.rawValue): \(finding.what)\n  seen: \(finding.evidence)\n  remedy: \(finding.remedy)\n"
    }
    let counts = Finding.Severity.allCases.map { severity in
        let count = findings.count { $0.severity == severity }
        return "\(count) \(severity.rawValue)\(count == 1 ? "" : "s")"
    }
    return blocks.joined() + counts.joined(separator: ", ") + "\n"
}

func json(of findings: [Finding]) -> JSONValue {
    .list(
        findings.map { finding in
            .object([
                .init("severity", .string(finding.severity.rawValue)), .init("what", .string(finding.what)),
                .init("evidence", .string(finding.evidence)), .init("remedy", .string(finding.remedy)),
            ])
        }
    )
}

private func picture(_ options: AgentOptions, stateDirectory: String) async throws(CommandFailure) -> HostPicture {
    var picture = HostPicture(clock: .init(nowSeconds: Int64(time(nil)), isSynchronised: HostClock.isSynchronised))
    var name = utsname()
    uname(&name)
    picture.kernelRelease = withUnsafeBytes(of: &name.release) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    do throws(CommandFailure) {
        picture.agent = try AgentFacts(asking: options)
    } catch {
        picture.agentProblem = error.description
    }
    let files: [(path: String, allowed: UInt32)] = [
        (stateDirectory, 0o700), ("\(stateDirectory)/private.key", 0o600), ("\(stateDirectory)/map", 0o600),
        ("\(stateDirectory)/hints", 0o600), (options.socketPath, 0o660),
    ]
    for (path, allowed) in files {
        var status = stat()
        guard stat(path, &status) == 0 else { continue }
        picture.files.append(.init(path: path, mode: UInt32(status.st_mode & 0o777), allowed: allowed))
    }
    do throws(NetlinkError) {
        try await readNetwork(into: &picture)
    } catch {
        throw CommandFailure(.failure, "cannot look at this host: \(error)")
    }
    return picture
}

private func readNetwork(into picture: inout HostPicture) async throws(NetlinkError) {
    let transport = try MainThreadNetlinkSocket(withNetfilter: true)
    let host = HostNetwork(transport: transport)
    let interfaces = try await host.interfaces(linkName: "")
    picture.links = interfaces.links
    picture.addresses = interfaces.addresses
    picture.rules = try await host.rules()
    picture.routes = try await host.routes()
    do throws(NetlinkError) {
        picture.chains = try await host.nftablesChains()
    } catch {
        picture.hasNftables = false
    }
    do throws(NetlinkError) {
        // A name that no link has: whether it is missed or the whole family tells them apart.
        _ = try await WireGuardDevice(name: "wgctl-doctor", transport: transport).snapshot()
    } catch {
        picture.hasWireGuard = !error.isNoSuchFamily
    }
    let all = number(["ipv4", "conf", "all", "rp_filter"]) ?? 0
    for link in picture.links {
        // The stricter of the two is in force, where 2 (loose) counts as more than 1. Source: ip-sysctl.rst, rp_filter.
        guard let own = number(["ipv4", "conf", link.name, "rp_filter"]) else { continue }
        picture.reversePathFilters[link.name] = max(all, own)
    }
    picture.forwardsV4 = number(["ipv4", "ip_forward"]) == 1
    picture.forwardsV6 = number(["ipv6", "conf", "all", "forwarding"]) == 1
}

/// - Returns: `nil`: the kernel has no such setting.
private func number(_ path: [String]) -> Int? {
    do throws(NetlinkError) {
        return try Sysctl(path).map { setting throws(NetlinkError) in try setting.read() }.flatMap { Int($0) }
    } catch {
        return nil
    }
}
