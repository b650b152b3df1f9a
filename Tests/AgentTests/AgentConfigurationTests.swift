import Agent
import AgentCore
import MeshModel
import Routing
import Testing

private let key = "a2c8e62b-38f5-4553-b31e-dd66c696cebb"

private func configuration(
    _ environment: [String: String] = [:],
    file: String = "",
    _ change: (inout AgentFlags) -> Void = { _ in }
) throws(AgentFailure) -> AgentConfiguration {
    var flags = AgentFlags()
    flags.managementURL = "http://10.0.0.1:8443"
    change(&flags)
    return try AgentConfiguration(flags: flags, environment: environment, hostname: "host") { _ in file }
}

@Suite struct AgentConfigurationTests {
    @Test func `defaults are ours and not NetBird's`() throws {
        let result = try configuration()
        #expect(result.management == ServerAddress(host: "10.0.0.1", port: 8443, usesTLS: false))
        #expect(result.interfaceName == "wgm0")
        #expect(result.marks.alias == "wgmesh")
        #expect(result.listenPort == 51820)
        #expect(result.stateDirectory == "/var/lib/wgmesh")
        #expect(result.socketPath == "/run/wgmesh/agent.sock")
        #expect(result.hostname == "host")
        #expect(result.mtuBytes == 1280)
        #expect(result.marks.fwmark == 0x7946 && result.marks.table == 7946)
        #expect(result.setupKey == nil)
    }

    @Test func `a flag wins over the environment, the environment over the default`() throws {
        let environment = ["WGMESH_LISTEN_PORT": "1000", "WGMESH_MTU": "1400", "WGMESH_INTERFACE": ""]
        let result = try configuration(environment) { $0.listenPort = "2000" }
        #expect(result.listenPort == 2000)
        #expect(result.mtuBytes == 1400)
        #expect(result.interfaceName == "wgm0")
    }

    @Test func `interfaces and outside addresses come from flag or environment; an empty flag clears them`() throws {
        let environment = ["WGMESH_INTERFACE_BLOCKLIST": "ppp,eth1", "WGMESH_EXTERNAL_IP_MAP": "203.0.113.7/eth0"]
        let result = try configuration(environment)
        #expect(result.interfaceBlocklist == ["ppp", "eth1"])
        #expect(result.externalAddresses == ExternalAddressMap("203.0.113.7/eth0"))
        let cleared = try configuration(environment) { flags in
            flags.interfaceBlocklist = ""
            flags.externalIPMap = ""
        }
        #expect(cleared.interfaceBlocklist.isEmpty)
        #expect(cleared.externalAddresses == ExternalAddressMap())
    }

    @Test func `who sleeps, and when, is the control plane's to say unless the user does`() throws {
        #expect(try configuration().lazy == LazyPolicy(mode: .automatic, inactivity: .seconds(900)))
        let result = try configuration(["WGMESH_LAZY_CONNECTIONS": "on"]) { $0.lazyInactivity = "60" }
        #expect(result.lazy == LazyPolicy(mode: .on, inactivity: .seconds(60)))
    }

    @Test func `an instance has its own mark, state and socket`() throws {
        let result = try configuration { $0.instance = "lab" }
        #expect(result.marks.alias == "wgmesh:lab")
        #expect(result.stateDirectory == "/var/lib/wgmesh/lab")
        #expect(result.socketPath == "/run/wgmesh/lab.sock")
    }

    @Test func `a setup key comes from flag, file or environment and never prints`() throws {
        let fromFlag = try configuration { $0.setupKey = key.uppercased() }.setupKey?.get()
        let fromFile = try configuration(file: "  \(key)\n") { $0.setupKeyFile = "/key" }.setupKey?.get()
        let fromEnvironment = try configuration(["WGMESH_SETUP_KEY": key]).setupKey?.get()
        #expect(fromFlag?.text == key)
        #expect(fromFile == fromFlag)
        #expect(fromEnvironment == fromFlag)
        var dumped = "\(String(describing: fromFlag))"
        dump(fromFlag, to: &dumped)
        #expect(!dumped.contains(key))
    }

    @Test func `a key file that is gone is told only when the key is needed`() throws {
        var flags = AgentFlags()
        flags.managementURL = "http://10.0.0.1:8443"
        flags.setupKeyFile = "/gone"
        let gone = AgentFailure(.setupKeyRefused, "cannot read /gone")
        let read: (String) throws(AgentFailure) -> String = { _ throws(AgentFailure) in throw gone }
        let result = try AgentConfiguration(flags: flags, environment: [:], hostname: "host", readFile: read)
        #expect(result.setupKey == .failure(gone))
    }

    @Test(arguments: [
        ("--listen-port", "65536"), ("--mtu", "1279"), ("--interface", "sixteen-bytes-xx"), ("--interface", "a/b"),
        ("--state-dir", "relative"), ("--fwmark", "0x100000000"), ("--log-level", "loud"), ("--instance", "Big"),
        ("--hostname", ""), ("--management-url", "http://host"), ("--management-url", "ftp://host:1"),
        ("--management-url", "http://host:1/path"), ("--socket", "/" + String(repeating: "x", count: 107)),
        ("--interface-blocklist", "eth1,"), ("--interface-blocklist", "sixteen-bytes-xx"),
        ("--lazy-connections", "yes"), ("--lazy-inactivity", "59"), ("--lazy-inactivity", "1m"),
        ("--external-ip-map", "203.0.113.7,"), ("--external-ip-map", "203.0.113.7/a b"),
    ])
    func `a bad value is named with its source`(flag: String, value: String) {
        let failure = #expect(throws: AgentFailure.self) {
            try configuration { flags in
                switch flag {
                case "--listen-port": flags.listenPort = value
                case "--mtu": flags.mtuBytes = value
                case "--interface": flags.interface = value
                case "--state-dir": flags.stateDirectory = value
                case "--fwmark": flags.fwmark = value
                case "--log-level": flags.logLevel = value
                case "--instance": flags.instance = value
                case "--hostname": flags.hostname = value
                case "--socket": flags.socket = value
                case "--interface-blocklist": flags.interfaceBlocklist = value
                case "--lazy-connections": flags.lazyConnections = value
                case "--lazy-inactivity": flags.lazyInactivity = value
                case "--external-ip-map": flags.externalIPMap = value
                default: flags.managementURL = value
                }
            }
        }
        #expect(failure?.status == .usage)
        #expect(failure?.description.hasPrefix("\(flag): \"\(value)\" is not ") == true)
    }

    @Test func `a malformed setup key is refused without being repeated`() {
        let failure = #expect(throws: AgentFailure.self) {
            try configuration { $0.setupKey = "my-secret" }.setupKey?.get()
        }
        #expect(failure?.status == .setupKeyRefused)
        #expect(failure?.description.contains("my-secret") == false)
    }

    @Test func `without a management URL the line says how to give one`() {
        let failure = #expect(throws: AgentFailure.self) { try configuration { $0.managementURL = nil } }
        #expect(failure == AgentFailure(.usage, "no management URL: give --management-url or WGMESH_MANAGEMENT_URL"))
    }
}

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("https://mesh.example", ServerAddress(host: "mesh.example", port: 443, usesTLS: true)),
        ("https://mesh.example:8443/", ServerAddress(host: "mesh.example", port: 8443, usesTLS: true)),
        ("http://[2001:db8::1]:80", ServerAddress(host: "2001:db8::1", port: 80, usesTLS: false)),
        ("http://192.0.2.1:80", ServerAddress(host: "192.0.2.1", port: 80, usesTLS: false)),
    ])
    func `a URL becomes host, port and security`(url: String, expected: ServerAddress) {
        #expect(ServerAddress(url: url) == expected)
    }

    @Test(arguments: [
        "", "mesh.example:80", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:+80", "https://a:",
        "http://2001:db8::1:80", "http://[192.0.2.1]:80", "http://a b:80", "http://u@h:80", "https://a]:80",
    ])
    func `anything else is refused`(url: String) {
        #expect(ServerAddress(url: url) == nil)
    }
}
