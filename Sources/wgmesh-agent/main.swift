import CommandLineSupport

await runCommand(WGMeshAgent.self, name: "wgmesh-agent")
