import Dispatch
import Glibc

// The command line is read by hand: that is how the verbs of wg(8) keep its messages, and how the program stays small.
// Begun at once on this thread, a verb that never waits for another ends here too; `await` would first make a thread.
Task.immediate { exit(await runVerb(CommandLine.arguments)) }
dispatchMain()
