import CommandLineSupport

await runCommand(WGMeshServer.self, name: "wgmesh-server")
