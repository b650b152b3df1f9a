import Testing

@testable import WGTool

struct HostFactsTests {
    @Test func `what went is told from the top down, what came from the ground up`() {
        let old: Set = [HostFact(.link, "wg0 up"), HostFact(.address, "10.0.0.1/24"), HostFact(.route, "10.0.0.0/24")]
        let new: Set = [
            HostFact(.link, "wg0 down"), HostFact(.address, "10.0.0.1/24"), HostFact(.route, "10.1.0.0/24"),
        ]
        #expect(
            HostFactChange.changes(from: old, to: new).map { $0.line(time: "T", isJSON: false) }
                == ["T - route 10.0.0.0/24", "T - link wg0 up", "T + link wg0 down", "T + route 10.1.0.0/24"]
        )
        #expect(HostFactChange.changes(from: new, to: new).isEmpty)
    }

    @Test func `a change is one JSON object`() {
        let change = HostFactChange(fact: HostFact(.address, "10.0.0.1/24 dev wg0"), isAddition: true)
        #expect(
            change.line(time: "T", isJSON: true)
                == #"{"time":"T","change":"added","kind":"address","text":"10.0.0.1/24 dev wg0"}"#
        )
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_366_800, "2026-11-22T17:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
            (.max, "9999-12-31T23:59:59Z"), (.min, "1970-01-01T00:00:00Z"),
        ] as [(Int64, String)]
    )
    func `times are RFC 3339 in UTC`(seconds: Int64, text: String) {
        #expect(timestamp(secondsSince1970: seconds) == text)
    }
}
