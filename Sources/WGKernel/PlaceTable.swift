/// Finds the place of an element in a list of distinct ones.
///
/// As `Dictionary<Element, Int>`, in a fraction of its memory: the elements stand side by side in the order they came in,
/// and the table itself has four bytes for each slot. So it stays in the processor's cache for many thousands of peers.
struct PlaceTable<Element: Hashable> {
    private(set) var elements: [Element] = []
    /// Place + 1; 0: free. A power of two of them, at least twice as many as elements; a taken slot sends on to the next.
    private var slots: [UInt32]

    /// - Parameter expectedCount: for so many the table does not grow.
    init(expectedCount: Int) {
        elements.reserveCapacity(expectedCount)
        slots = Self.freeSlots(for: expectedCount)
    }

    /// - Returns: `nil`: it is not in the list.
    func place(of element: Element) -> Int? {
        let number = slots[slot(of: element)]
        return number == 0 ? nil : Int(number) - 1
    }

    /// Appends the element unless it is there.
    ///
    /// - Returns: whether it was appended.
    mutating func insert(_ element: Element) -> Bool {
        if 2 * (elements.count + 1) > slots.count {
            slots = Self.freeSlots(for: 2 * (elements.count + 1))
            for (place, element) in elements.enumerated() { slots[slot(of: element)] = UInt32(place + 1) }
        }
        let slot = slot(of: element)
        guard slots[slot] == 0 else { return false }
        elements.append(element)
        slots[slot] = UInt32(elements.count)
        return true
    }

    /// The slot that the element has, or would take.
    private func slot(of element: Element) -> Int {
        let mask = slots.count - 1
        var slot = element.hashValue & mask
        while slots[slot] != 0, elements[Int(slots[slot]) - 1] != element { slot = (slot + 1) & mask }
        return slot
    }

    private static func freeSlots(for count: Int) -> [UInt32] {
        var size = 8
        while size < 2 * count { size *= 2 }
        return Array(repeating: 0, count: size)
    }
}
