import Agent
import NetlinkWire

/// Settings in memory.
actor FakeSysctls: SysctlAccess {
    private(set) var values: [[String]: String]

    init(_ values: [[String]: String] = [:]) { self.values = values }

    func read(_ path: [String]) throws(NetlinkError) -> String? { values[path] }
    func write(_ value: String, to path: [String]) throws(NetlinkError) { values[path] = value }
}
