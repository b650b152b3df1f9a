/// What libFuzzer hands over, as the array our parsers take.
func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    Array(UnsafeBufferPointer(start: start, count: count))
}

/// Ends the run with the reason; libFuzzer keeps the input.
func require(_ condition: Bool, _ reason: String) {
    if !condition { fatalError(reason) }
}
