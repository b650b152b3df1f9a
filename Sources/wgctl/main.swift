import Dispatch
import Glibc

// Begun at once on this thread, a verb that never waits for another ends here too; `await` would first make a thread.
Task.immediate { exit(await runVerb(CommandLine.arguments)) }
dispatchMain()
