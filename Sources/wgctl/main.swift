import CommandLineSupport
import Glibc

// The verbs of wg(8) are read by hand: that is how they keep its messages, and starts sooner.
if let status = await runVerb(CommandLine.arguments) { exit(status) }
await runCommand(WGCtl.self, name: "wgctl")
