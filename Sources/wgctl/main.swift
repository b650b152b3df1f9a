import Glibc

// The command line is read by hand: that is how the verbs of wg(8) keep its messages, and how the program stays small.
exit(await runVerb(CommandLine.arguments))
