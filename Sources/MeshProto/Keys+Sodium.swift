import CSodium
package import MeshModel

extension PrivateKey {
    /// A new private key from the kernel's random generator, clamped as `wg genkey` does.
    package static func generate() -> PrivateKey {
        precondition(sodiumIsReady, "libsodium found no source of randomness")
        var bytes = [UInt8](repeating: 0, count: Int(crypto_scalarmult_SCALARBYTES))
        defer { sodium_memzero(&bytes, bytes.count) }
        randombytes_buf(&bytes, bytes.count)
        guard let key = PrivateKey(bytes: bytes) else { preconditionFailure("a scalar has \(bytes.count) bytes") }
        return key.clamped
    }

    /// The public half, as `wg pubkey` computes it (clamping happens inside, so any 32 bytes have one).
    package var publicKey: PublicKey {
        var point = [UInt8](repeating: 0, count: Int(crypto_scalarmult_BYTES))
        let status = withUnsafePointer { crypto_scalarmult_base(&point, $0) }
        guard status == 0, let key = PublicKey(bytes: point) else {
            preconditionFailure("crypto_scalarmult_base failed with \(status)")
        }
        return key
    }
}
