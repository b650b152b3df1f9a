/// Whether the kernel takes `name` for a link: 1 to 15 bytes, no `/`, no `:`, no white space, not `.` or `..`.
///
/// Source: `dev_valid_name`, net/core/dev.c.
public func isValidLinkName(_ name: String) -> Bool {
    (1...15).contains(name.utf8.count) && name != "." && name != ".."
        && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
}
