import MeshModel
import TestSupport
import Testing

/// What is left of secrets in memory when they have been used.
@Suite(.enabled(if: SecretHunt.knowsTheHeap, "the address sanitizer has a heap of its own"))
struct SecretBytesTests {
    private let secret = SecretHunt(randomBytes: 32)

    @Test func `a private key is on the heap once, and not at all when the last copy goes`() throws {
        var keys = [try #require(secret.withBytes { PrivateKey(bytes: $0) })]
        keys.append(keys[0])
        #expect(secret.placesOnHeap() == 1)
        keys.removeLast()
        #expect(secret.placesOnHeap() == 1)
        keys.removeLast()
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `so is a preshared key`() throws {
        var keys = [try #require(secret.withBytes { PresharedKey(bytes: $0) })]
        keys.append(keys[0])
        #expect(secret.placesOnHeap() == 1)
        keys.removeAll()
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `an array that is not wiped stays on the heap, which shows that the hunt finds what is there`() throws {
        var bytes = try #require(secret.withBytes { PrivateKey(bytes: $0) }?.bytes)
        #expect(secret.placesOnHeap() == 1)
        bytes.wipe()
        #expect(secret.placesOnHeap() == 0)
        #expect(bytes == [UInt8](repeating: 0, count: 32))
    }

    @Test func `an array that grows leaves nothing behind`() {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        secret.withBytes { secret in
            for offset in secret.byteOffsets { bytes.append(secret.unsafeLoad(fromByteOffset: offset, as: UInt8.self)) }
        }
        for _ in 0..<1000 {
            bytes.reserveWiping(1)
            bytes.append(1)
        }
        #expect(secret.placesOnHeap() == 1)
        #expect(bytes.count == 1032)
        bytes.wipe()
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `wiped bytes go with their owner`() {
        var owner: WipedBytes? = WipedBytes()
        secret.withBytes { secret in
            secret.withUnsafeBytes { owner?.append(Span(_unsafeElements: $0.assumingMemoryBound(to: UInt8.self))) }
        }
        #expect(secret.placesOnHeap() == 1)
        owner = nil
        #expect(secret.placesOnHeap() == 0)
    }

    @Test func `clamping is that of RFC 7748`() throws {
        let clamped = try #require(PrivateKey(bytes: [UInt8](repeating: 0xff, count: 32))).clamped
        #expect(clamped.bytes == [0xf8] + [UInt8](repeating: 0xff, count: 30) + [0x7f])
        #expect(clamped.clamped == clamped)
        let zero = try #require(PrivateKey(bytes: [UInt8](repeating: 0, count: 32)))
        #expect(zero.isZero && zero.clamped.bytes == [UInt8](repeating: 0, count: 31) + [0x40])
    }

    @Test func `keys are equal by their bytes, and equal keys hash alike`() throws {
        for place in 0..<32 {
            var bytes = [UInt8](repeating: 7, count: 32)
            let key = try #require(PrivateKey(bytes: bytes))
            #expect(try #require(PrivateKey(bytes: bytes)) == key && !key.isZero)
            #expect(Set([key, try #require(PrivateKey(bytes: bytes))]).count == 1)
            bytes[place] = 8
            #expect(try #require(PrivateKey(bytes: bytes)) != key)
            #expect(PresharedKey(bytes: bytes) != PresharedKey(bytes: key.bytes))
        }
    }
}
