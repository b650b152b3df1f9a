import Glibc

/// The value that the environment gives for an option: `data-dir` is WGMESH_SERVER_DATA_DIR. `nil`: unset or empty.
func environment(_ option: String) -> String? {
    let name = "WGMESH_SERVER_" + option.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}
