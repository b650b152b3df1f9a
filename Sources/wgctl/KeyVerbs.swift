import CSodium
import Glibc
import MeshModel
import WGTool

/// `genkey`, `genpsk`, `pubkey`.
func generateKey(_ invocation: Invocation) async -> Int32 {
    guard invocation.arguments.isEmpty else {
        invocation.complainUsage("")
        return EXIT_FAILURE
    }
    var status = stat()
    let isFile = fstat(STDOUT_FILENO, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    if isFile && status.st_mode & S_IRWXO != 0 {
        complain("Warning: writing to world accessible file.\nConsider setting the umask to 077 and trying again.")
    }
    // getrandom(2), which blocks only before the kernel's generator is seeded.
    var generator = SystemRandomNumberGenerator()
    var secret = (0..<crypto_scalarmult_SCALARBYTES).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    defer { secret.wipe() }
    guard let key = PrivateKey(bytes: secret) else { preconditionFailure("\(secret.count) bytes are no key") }
    var text = ByteText()
    text.append(invocation.verb == "genkey" ? key.clamped : key)
    text.append("\n")
    return printing(&text, invocation)
}

func derivePublicKey(_ invocation: Invocation) async -> Int32 {
    guard invocation.arguments.isEmpty else {
        invocation.complainUsage("")
        return EXIT_FAILURE
    }
    var text: [UInt8] = []
    defer { text.wipe() }
    do throws(FileError) {
        text = try readAll(from: STDIN_FILENO, path: "standard input", limitBytes: inputLimitBytes)
    } catch {
        complain("\(invocation.program): \(error.text)")
        return EXIT_FAILURE
    }
    let secret: PrivateKey
    do throws(ValueError) {
        secret = try readSecret(text)
    } catch {
        complain("\(invocation.program): \(error.message.string)")
        return EXIT_FAILURE
    }
    var key = [UInt8](repeating: 0, count: Int(crypto_scalarmult_BYTES))
    guard secret.withUnsafePointer({ crypto_scalarmult_base(&key, $0) }) == 0 else {
        preconditionFailure("the base point times a clamped scalar is never zero")
    }
    return printing(Array((Base64.encode(key) + "\n").utf8), invocation)
}

/// A key has 45 bytes; this is room for any white space that follows.
private let inputLimitBytes = 1 << 20
