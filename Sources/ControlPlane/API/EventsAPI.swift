/// The audit log. Source: spec/server/rest-api.md 15.
enum EventsAPI {
    static let routes: [APIRoute] = [
        .get("/api/events/audit", .needs(.read, .events)) { _, transaction in try list(transaction) },
        .get("/api/events", .needs(.read, .events)) { _, transaction in try list(transaction) },
    ]

    struct Event: Encodable {
        var id: String
        var timestamp: String
        var activity: String
        var activity_code: String
        var initiator_id: String
        var initiator_name: String
        var initiator_email: String
        var target_id: String
        var meta: [String: String]
    }

    /// What a list shows at most. Source: spec/server/rest-api.md 15.
    private static let maximum = 10_000

    /// Newest first.
    private static func list(_ transaction: StoreTransaction) throws -> [Event] {
        let events = try transaction.events(maximum)
        var people: [String: (name: String, email: String)] = [EventRecord.system: ("System", "")]
        // Who was deleted is named by the event that says so.
        for event in events where [Activity.userDelete, .serviceUserDelete].map(\.rawValue).contains(event.activity) {
            people[event.targetID] = (event.details["name"] ?? "", event.details["email"] ?? "")
        }
        for key in try transaction.all(SetupKeyRecord.self) { people[key.id] = (key.name, "") }
        for user in try transaction.all(UserRecord.self) { people[user.id] = (user.name, user.email) }
        return events.map { event in
            let activity = Activity(rawValue: event.activity)
            let initiator = people[event.initiatorID]
            return Event(
                id: event.id.map { "\($0)" } ?? "",
                timestamp: APITime.text(event.timestampSeconds),
                activity: activity?.text ?? "Event of a later version",
                activity_code: activity?.code ?? "unknown.\(event.activity)",
                initiator_id: event.initiatorID,
                initiator_name: initiator?.name ?? "",
                initiator_email: initiator?.email ?? "",
                target_id: event.targetID,
                meta: event.details
            )
        }
    }
}
