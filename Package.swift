// swift-tools-version:6.2
import PackageDescription

// Bottom to top: a target may depend only on targets above it in this list. docs/architecture.md draws the arrows;
// Tests/ImportRulesTests and the flag --explicit-target-dependency-import-check keep them true.

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcInProcess = Target.Dependency.product(name: "GRPCInProcessTransport", package: "grpc-swift-2")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let grpcTransport = Target.Dependency.product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

let package = Package(
    name: "wgmesh",
    products: [
        .library(name: "WGKernel", targets: ["WGKernel", "Routing", "NetlinkSocket", "NetlinkWire", "MeshModel"]),
        .executable(name: "wgmesh-agent", targets: ["wgmesh-agent"]),
        .executable(name: "wgmesh-server", targets: ["wgmesh-server"]),
        .executable(name: "wgctl", targets: ["wgctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // 0: C
        .systemLibrary(name: "CNL", pkgConfig: "libnl-genl-3.0", providers: [.apt(["libnl-genl-3-dev"])]),
        .target(name: "CNetlink", dependencies: ["CNL"], linkerSettings: [.linkedLibrary("mnl")]),
        .target(name: "CDatagram"),
        .systemLibrary(name: "CSodium", providers: [.apt(["libsodium-dev"])]),

        // 1: words
        .target(name: "MeshModel"),
        .target(name: "NetlinkWire", dependencies: ["CNetlink"]),

        // 2: kernel
        .target(name: "ICE", dependencies: ["MeshModel", crypto]),
        .target(name: "RelayWire", dependencies: ["MeshModel", crypto]),
        .target(name: "Routing", dependencies: ["CNetlink", "MeshModel", "NetlinkWire"]),
        .target(name: "WGKernel", dependencies: ["CNetlink", "MeshModel", "NetlinkWire"]),

        // 3: decide
        .target(name: "AgentCore", dependencies: ["ICE", "MeshModel", "RelayWire", "Routing"]),
        .target(name: "MapCompiler", dependencies: ["MeshModel"]),
        .target(name: "WGTool", dependencies: ["MeshModel", "WGKernel"]),

        // 4: shell
        .target(name: "NetlinkSocket", dependencies: ["CNetlink", "NetlinkWire"]),
        .target(
            name: "MeshProto",
            dependencies: ["CSodium", "MeshModel", protobuf, grpcCore, grpcProtobuf],
            exclude: ["protos"]
        ),
        .target(
            name: "Agent",
            dependencies: [
                "AgentCore", "CNetlink", "ICE", "MeshModel", "MeshProto", "NetlinkSocket", "NetlinkWire", "RelayWire",
                "Routing", "WGKernel", grpcCore, grpcTransport, logging, nioCore, nioHTTP1, nioPosix, nioSSL,
                nioWebSocket, serviceLifecycle, unixSignals,
            ]
        ),
        .target(name: "FileStatus"),
        .target(
            name: "ControlPlane",
            dependencies: [
                "CDatagram", "CSodium", "FileStatus", "MapCompiler", "MeshModel", "MeshProto", "RelayWire", crypto,
                grdb,
                grpcCore,
                grpcProtobuf, grpcTransport, logging, nioCore, nioHTTP1, nioHTTP2, nioPosix, nioSSL, protobuf,
                serviceLifecycle,
                unixSignals,
            ]
        ),

        .target(name: "CommandLineSupport", dependencies: ["MeshModel", argumentParser]),

        // 5: run
        .executableTarget(
            name: "wgmesh-agent",
            dependencies: ["Agent", "CommandLineSupport", "MeshModel", argumentParser]
        ),
        .executableTarget(
            name: "wgmesh-server",
            dependencies: [
                "CommandLineSupport", "ControlPlane", "MeshModel", "MeshProto", "RelayWire", argumentParser, logging,
            ]
        ),
        .executableTarget(
            name: "wgctl",
            dependencies: [
                "CSodium", "MeshModel", "NetlinkSocket", "NetlinkWire", "Routing", "WGKernel", "WGTool",
            ]
        ),

        // tests
        .executableTarget(
            name: "wgmesh-bench",
            dependencies: [
                "CNetlink", "MeshModel", "NetlinkSocket", "NetlinkWire", "Routing", "WGKernel", "WGTool",
            ],
            path: "Tests/Bench"
        ),
        .executableTarget(
            name: "ICEDriver",
            dependencies: ["ICE", "MeshModel", "MeshProto"],
            path: "Tests/ICEDriver"
        ),
        .target(
            name: "TestSupport",
            dependencies: ["CNetlink", "MeshModel", "NetlinkWire", "WGKernel", "Routing"],
            path: "Tests/TestSupport"
        ),
        .target(
            name: "AgentWalk",
            dependencies: [
                "Agent", "AgentCore", "MeshModel", "NetlinkWire", "Routing", "TestSupport", "WGKernel", logging,
            ],
            path: "Tests/AgentWalk"
        ),
        .testTarget(name: "MeshModelTests", dependencies: ["MeshModel", "TestSupport"]),
        .testTarget(name: "NetlinkWireTests", dependencies: ["CNetlink", "NetlinkWire", "TestSupport"]),
        .testTarget(
            name: "WGKernelTests",
            dependencies: ["CNetlink", "MeshModel", "NetlinkWire", "TestSupport", "WGKernel"]
        ),
        .testTarget(name: "WGToolTests", dependencies: ["MeshModel", "TestSupport", "WGKernel", "WGTool"]),
        .testTarget(
            name: "RoutingTests",
            dependencies: ["CNetlink", "MeshModel", "NetlinkWire", "Routing", "TestSupport"]
        ),
        .testTarget(name: "ICETests", dependencies: ["ICE", "MeshModel", "TestSupport", crypto]),
        .testTarget(name: "RelayWireTests", dependencies: ["MeshModel", "RelayWire", "TestSupport"]),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: ["AgentCore", "ICE", "MeshModel", "RelayWire", "Routing", "TestSupport"]
        ),
        .testTarget(name: "SimulationTests", dependencies: ["AgentCore", "ICE", "MeshModel", "TestSupport"]),
        .testTarget(
            name: "MapCompilerTests",
            dependencies: ["MapCompiler", "MeshModel", "MeshProto", "TestSupport", protobuf]
        ),
        .testTarget(name: "MeshProtoTests", dependencies: ["MeshModel", "MeshProto", "TestSupport", protobuf]),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "Agent", "AgentCore", "ControlPlane", "ICE", "MapCompiler", "MeshModel", "MeshProto", "RelayWire",
                "TestSupport", grdb, grpcCore, grpcInProcess, grpcProtobuf, grpcTransport, logging, nioCore, nioHTTP1,
                nioPosix,
                nioSSL, protobuf,
            ]
        ),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "AgentCore", "AgentWalk", "CNetlink", "ICE", "MeshModel", "MeshProto", "NetlinkWire",
                "Routing",
                "TestSupport", "WGKernel", grpcCore, grpcInProcess, grpcTransport, logging, protobuf,
            ]
        ),
        .testTarget(
            name: "KernelTests",
            dependencies: [
                "AgentWalk", "CNetlink", "MeshModel", "NetlinkSocket", "NetlinkWire", "Routing", "TestSupport",
                "WGKernel",
                "WGTool",
            ]
        ),
        .testTarget(
            name: "WGCtlTests",
            dependencies: ["MeshModel", "NetlinkWire", "Routing", "WGKernel", "WGTool", "wgctl"]
        ),
        .testTarget(name: "ImportRulesTests"),
    ]
)

for target in package.targets where target.type != .system && !["CDatagram", "CNetlink"].contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),  // SE-0335
        .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
        .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
        .enableUpcomingFeature("InferIsolatedConformances"),  // SE-0470
        .treatAllWarnings(as: .error),
    ]
}
