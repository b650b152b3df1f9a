import CSodium
package import MeshModel

extension PrivateKey {
    /// A new private key from the kernel's random generator, clamped as `wg genkey` does.
    package static func generate() -> PrivateKey {
        precondition(sodiumIsReady, "libsodium found no source of randomness")
        var bytes = [UInt8](repeating: 0, count: Int(crypto_scalarmult_SCALARBYTES))
        defer { sodium_memzero(&bytes, bytes.count) }
        randombytes_buf(&bytes, bytes.count)
        bytes[0] &= 0b1111_1000
        bytes[31] = bytes[31] & 0b0111_1111 | 0b0100_0000
        guard let key = PrivateKey(bytes: bytes) else { preconditionFailure("a scalar has \(bytes.count) bytes") }
        return key
    }

    /// The public half, as `wg pubkey` computes it (clamping happens inside, so any 32 bytes have one).
    package var publicKey: PublicKey {
        var point = [UInt8](repeating: 0, count: Int(crypto_scalarmult_BYTES))
        let status = crypto_scalarmult_base(&point, bytes)
        guard status == 0, let key = PublicKey(bytes: point) else {
            preconditionFailure("crypto_scalarmult_base failed with \(status)")
        }
        return key
    }
}
