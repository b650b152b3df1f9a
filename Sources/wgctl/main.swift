import Glibc

if let status = await runVerb(CommandLine.arguments) { exit(status) }
