import Agent
package import NetlinkWire

/// Settings in memory.
package actor FakeSysctls: SysctlAccess {
    package private(set) var values: [[String]: String]

    package init(_ values: [[String]: String] = [:]) { self.values = values }

    package func read(_ path: [String]) throws(NetlinkError) -> String? { values[path] }
    package func write(_ value: String, to path: [String]) throws(NetlinkError) { values[path] = value }
}
