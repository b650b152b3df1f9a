/// What a user may do, by name. Source: spec/server/rest-api.md 1.6.
enum Role: String, Codable, Sendable, CaseIterable {
    case owner
    case admin
    case auditor
    case networkAdmin = "network_admin"
    case user
    /// A name only: it has no rights here.
    case billingAdmin = "billing_admin"
}

/// A part of the API that rights are given for.
enum Module: String, Sendable, CaseIterable {
    case networks
    case peers
    case remoteJobs = "remote_jobs"
    case groups
    case settings
    case accounts
    case dns
    case nameservers
    case events
    case policies
    case routes
    case users
    case setupKeys = "setup_keys"
    case pats
    case identityProviders = "identity_providers"
    case services
    case agentNetwork = "agent_network"
}

enum Operation: String, Sendable, CaseIterable {
    case read
    case create
    case update
    case delete
}

extension Role {
    /// Whether the role alone gives the right; see `UserRecord.may` for service users.
    func allows(_ operation: Operation, on module: Module) -> Bool {
        switch self {
        case .owner: true
        case .admin: module != .accounts || operation == .read
        case .auditor: operation == .read
        case .networkAdmin:
            switch module {
            case .networks, .groups, .dns, .nameservers, .policies, .routes, .pats: true
            case .settings, .accounts, .events, .users, .setupKeys, .peers, .identityProviders: operation == .read
            case .remoteJobs, .services, .agentNetwork: false
            }
        case .user, .billingAdmin: false
        }
    }
}

extension UserRecord {
    /// A service user without a role of its own reads everything: it is there for automation that only looks.
    func may(_ operation: Operation, _ module: Module) -> Bool {
        role.allows(operation, on: module) || (isServiceUser && role == .user && operation == .read)
    }
}
