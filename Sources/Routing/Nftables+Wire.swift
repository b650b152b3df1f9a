import CNetlink
import NetlinkWire

/// What all nf_tables messages share. Integers in attributes are big endian. Source: linux/netfilter/nf_tables.h.
enum NftablesWire {
    /// `struct nfgenmsg`: family, version 0, and no number of its own.
    static func header(_ family: NftablesFamily) -> [UInt8] { [family.rawValue, 0, 0, 0] }

    static let headerBytes = 4

    static func target(_ type: nf_tables_msg_types) -> NetlinkRequest.Target { .netfilter(type: messageType(type)) }

    static func messageType(_ type: nf_tables_msg_types) -> UInt16 {
        UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type.rawValue)
    }

    /// The family in `struct nfgenmsg`, and the attributes after it.
    ///
    /// - Returns: `nil` for a family we do not know.
    static func decodeHeader(
        _ payload: ArraySlice<UInt8>
    ) throws(DecodeError) -> (family: NftablesFamily, attributes: ArraySlice<UInt8>)? {
        guard let family = payload.first, payload.count >= headerBytes else {
            throw DecodeError("nfgenmsg: \(payload.count) bytes, expected at least \(headerBytes)")
        }
        return NftablesFamily(rawValue: family).map { ($0, payload.dropFirst(headerBytes)) }
    }
}

extension AttributeEncoder {
    mutating func append(_ type: Int, bigEndian value: some FixedWidthInteger) {
        append(type, integer: value.bigEndian)
    }
}

extension Attribute {
    /// A number that travels in network byte order.
    ///
    /// - Throws: `DecodeError` unless the payload has exactly the size of `T`.
    func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(
        _ name: String,
        as type: T.Type = T.self
    ) throws(DecodeError) -> T {
        T(bigEndian: try integer(name))
    }
}

/// Notes that the kernel stores for user space with an object: type, length, value. Those of nft(8) and nothing else.
///
/// Source: libnftnl, include/libnftnl/udata.h.
enum NftablesUserData {
    /// `NFTNL_UDATA_TABLE_COMMENT` and its siblings for chains, rules, elements and named objects.
    static let comment: UInt8 = 0
    /// `NFTNL_UDATA_SET_KEYBYTEORDER`.
    static let keyByteOrder: UInt8 = 0
    /// `NFTNL_UDATA_SET_DATABYTEORDER`.
    static let valueByteOrder: UInt8 = 1
    /// `NFTNL_UDATA_SET_COMMENT`.
    static let setComment: UInt8 = 7
    /// `NFTNL_UDATA_COMMENT_MAXLEN`, without its NUL.
    static let commentLimitBytes = 127

    /// A number in the byte order of this machine.
    static func encode(_ type: UInt8, number: UInt32) -> [UInt8] {
        var note: [UInt8] = [type, 4]
        note.appendInteger(number)
        return note
    }

    /// A comment with its NUL; what does not fit is cut off at a character.
    static func encode(comment: String, type: UInt8 = comment) -> [UInt8] {
        var text = comment
        while text.utf8.count > commentLimitBytes { text.removeLast() }
        return [type, UInt8(text.utf8.count + 1)] + text.utf8 + [0]
    }

    /// - Returns: `nil` if there is none, or it is no text. Notes of other programs are no error: they may use any
    ///   format.
    static func decodeComment(_ bytes: ArraySlice<UInt8>, type: UInt8 = comment) -> String? {
        var rest = bytes
        while let noteType = rest.first, let length = rest.dropFirst().first, rest.count >= 2 + Int(length) {
            let value = rest.dropFirst(2).prefix(Int(length))
            if noteType == type { return String(validating: value.prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(2 + Int(length))
        }
        return nil
    }
}

/// Text as nft(8) reads it: in quotes. Its grammar has no escapes, so quotes inside become apostrophes.
func nftablesQuoted(_ text: String) -> String {
    "\"" + String(text.map { $0 == "\"" || $0.isNewline ? "'" : $0 }) + "\""
}
