import FoundationEssentials

/// Files that tests read: those in Tests/Fixtures, and the full recordings where they stand beside the package.
public enum Fixtures {
    /// `Tests/Fixtures` of this package.
    public static let root = packageRoot + "/Tests/Fixtures"
    /// The folder of the package, from this file's place in it.
    public static let packageRoot = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
    /// `../shared` beside the package with all recordings; `nil` on machines that do not have it.
    public static var shared: String? {
        let path = packageRoot.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 } + "/shared"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    public static func bytes(_ path: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(filePath: path)))
    }

    /// Names in a folder, sorted; throws if there is no such folder.
    public static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    /// Every folder under `folder` (itself included) that holds a file called `name`, sorted.
    public static func folders(under folder: String, holding name: String) throws -> [String] {
        let names = try names(in: folder)
        var result = names.contains(name) ? [folder] : []
        for entry in names {
            let path = folder + "/" + entry
            var isDirectory = false
            if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory {
                result += try folders(under: path, holding: name)
            }
        }
        return result
    }
}
