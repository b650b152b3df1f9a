import CommandLineSupport

await runCommand(WGCtl.self, name: "wgctl")
