import Glibc
package import MeshModel
import MeshProto

extension PeerMeta {
    /// What this host says about itself at login; `hostname` is the user's choice or the system's.
    package static func ofThisHost(hostname: String) -> PeerMeta {
        var system = utsname()
        uname(&system)
        let release = osRelease()
        return PeerMeta(
            hostname: hostname,
            distribution: release["NAME"] ?? "Linux",
            distributionVersion: release["VERSION_ID"] ?? "",
            kernel: text(&system.sysname),
            kernelVersion: text(&system.release),
            machine: text(&system.machine),
            agentVersion: LoginAttempt.wireVersion,
            capabilities: [.sourcePrefixes, .ipv6Overlay]
        )
    }

    /// A field of `struct utsname`: bytes up to the first zero.
    private static func text<Field>(_ field: inout Field) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// `KEY=value` lines of os-release(5), quotes removed; empty where the file is missing, as in small containers.
    private static func osRelease() -> [String: String] {
        guard let file = fopen("/etc/os-release", "re") else { return [:] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = fread(&bytes, 1, bytes.count, file)
        var values: [String: String] = [:]
        for line in String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            var value = line[line.index(after: equals)...]
            if value.count >= 2, let quote = value.first, quote == value.last, quote == "\"" || quote == "'" {
                value = value.dropFirst().dropLast()
            }
            values[String(line[..<equals])] = String(value)
        }
        return values
    }
}
