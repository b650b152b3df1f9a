import Glibc
import ICE
import MeshModel
import MeshProto

// One ICE session on a UDP socket of its own, told by lines what a signal server would tell: for implementations of others,
// which Tests/Interop/aioice_peers.py drives on the other side.
//
// ICEDriver controls|follows ADDRESS. In: `remote UFRAG PASSWORD`, then `candidate LINE`. Out: `local UFRAG PASSWORD`,
// `candidate LINE`, `selected LOCAL REMOTE KIND`, `failed REASON`. What is no STUN goes back to where it came from. Ends
// with its input.
do {
    let words = Array(CommandLine.arguments.dropFirst())
    guard words.count == 2, let role = ["controls": true, "follows": false][words[0]], let address = IPAddress(words[1])
    else { throw DriverError(reason: "usage: ICEDriver controls|follows ADDRESS") }
    var driver = try Driver(isControlling: role, address: address)
    try driver.run()
} catch let error as DriverError {
    print("error \(error.reason)")
    exit(2)
} catch {
    print("error \(error)")
    exit(2)
}
