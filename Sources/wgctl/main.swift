import Glibc

exit(await runVerb(CommandLine.arguments))
