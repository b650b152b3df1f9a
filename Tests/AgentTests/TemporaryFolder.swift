import Glibc

/// Runs `body` with a new folder of its own, and removes the folder with what is in it.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = try makeTemporaryFolder()
    defer { removeFolder(folder) }
    try body(folder)
}

func withTemporaryFolder(_ body: (String) async throws -> Void) async throws {
    let folder = try makeTemporaryFolder()
    defer { removeFolder(folder) }
    try await body(folder)
}

struct TestFolderError: Error {
    var errno: Int32
}

private func makeTemporaryFolder() throws -> String {
    var template = Array("/tmp/wgmesh-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFolderError(errno: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func removeFolder(_ path: String) {
    guard let entries = opendir(path) else { return }
    while let entry = readdir(entries) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard name != ".", name != ".." else { continue }
        if unlink("\(path)/\(name)") != 0 { removeFolder("\(path)/\(name)") }
    }
    closedir(entries)
    rmdir(path)
}
