import GRDB

/// One line of the audit log: who did what to whom, and when.
struct EventRecord: Codable, Hashable, Sendable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "event"

    /// Grows by one; `nil`: not stored yet.
    var id: Int64?
    var timestampSeconds: Int64
    /// A number of `Activity`; one that this version does not know was written by a later one.
    var activity: Int
    /// Identifier of a user or a setup key, or `system`.
    var initiatorID: String
    var targetID: String
    /// Stored as JSON.
    var details: [String: String]

    /// The initiator of what the server does by itself, and of commands beside it. Source: spec/server/domain-model.md 14.
    static let system = "sys"
}

/// What happens in a mesh, by the numbers that are stored and never change. Source: spec/server/domain-model.md 14.
enum Activity: Int, CaseIterable, Sendable {
    case peerAdd = 1
    case peerDelete = 5
    case dnsZoneCreate = 96
    case dnsZoneUpdate = 97
    case dnsZoneDelete = 98
    case dnsRecordCreate = 99
    case dnsRecordUpdate = 100
    case dnsRecordDelete = 101
    case unmanagedDNSGroupAdd = 25
    case unmanagedDNSGroupDelete = 26
    case nameServerGroupAdd = 35
    case nameServerGroupDelete = 36
    case nameServerGroupUpdate = 37
    case loginExpirationEnable = 38
    case loginExpirationDisable = 39
    case loginExpirationUpdate = 40
    case inactivityExpirationEnable = 65
    case inactivityExpirationDisable = 66
    case inactivityExpirationUpdate = 67
    case groupPropagationEnable = 69
    case groupPropagationDisable = 70
    case routingPeerResolutionEnable = 71
    case routingPeerResolutionDisable = 72
    case domainUpdate = 84
    case lazyConnectionEnable = 85
    case lazyConnectionDisable = 86
    case networkRangeUpdate = 87
    case policyAdd = 9
    case policyUpdate = 10
    case policyDelete = 11
    case routeAdd = 27
    case routeDelete = 28
    case routeUpdate = 29
    case networkCreate = 73
    case networkUpdate = 74
    case networkDelete = 75
    case networkResourceCreate = 76
    case networkResourceUpdate = 77
    case networkResourceDelete = 78
    case networkRouterCreate = 79
    case networkRouterUpdate = 80
    case networkRouterDelete = 81
    case setupKeyAdd = 12
    case setupKeyUpdate = 13
    case setupKeyRevoke = 14
    case groupAdd = 16
    case groupUpdate = 17
    case peerGroupAdd = 18
    case peerGroupDelete = 19
    case setupKeyGroupAdd = 23
    case setupKeyGroupDelete = 24
    case peerSSHEnable = 30
    case peerSSHDisable = 31
    case peerRename = 32
    case groupDelete = 48
    case setupKeyDelete = 68
    case resourceGroupAdd = 82
    case resourceGroupDelete = 83
    case peerAddressUpdate = 88
    case userGroupAdd = 20
    case userGroupDelete = 21
    case userRoleUpdate = 22
    case accountCreate = 4
    case accessTokenCreate = 41
    case accessTokenDelete = 42
    case serviceUserCreate = 43
    case serviceUserDelete = 44
    case userBlock = 45
    case userUnblock = 46
    case userDelete = 47
    case ownerRoleTransfer = 59
    case userCreate = 91
    case userPasswordChange = 103

    /// For programs.
    var code: String { words.code }
    /// For people.
    var text: String { words.text }

    private var words: (code: String, text: String) {
        switch self {
        case .peerAdd: ("peer.setupkey.add", "Peer joined with a setup key")
        case .peerDelete: ("user.peer.delete", "Peer deleted")
        case .dnsZoneCreate: ("dns.zone.create", "DNS zone made")
        case .dnsZoneUpdate: ("dns.zone.update", "DNS zone changed")
        case .dnsZoneDelete: ("dns.zone.delete", "DNS zone deleted")
        case .dnsRecordCreate: ("dns.zone.record.create", "DNS record made")
        case .dnsRecordUpdate: ("dns.zone.record.update", "DNS record changed")
        case .dnsRecordDelete: ("dns.zone.record.delete", "DNS record deleted")
        case .unmanagedDNSGroupAdd: ("dns.setting.disabled.management.group.add", "DNS of a group left alone")
        case .unmanagedDNSGroupDelete: ("dns.setting.disabled.management.group.delete", "DNS of a group managed")
        case .nameServerGroupAdd: ("nameserver.group.add", "Name servers added")
        case .nameServerGroupDelete: ("nameserver.group.delete", "Name servers deleted")
        case .nameServerGroupUpdate: ("nameserver.group.update", "Name servers changed")
        case .loginExpirationEnable: ("account.setting.peer.login.expiration.enable", "Logins expire")
        case .loginExpirationDisable: ("account.setting.peer.login.expiration.disable", "Logins do not expire")
        case .loginExpirationUpdate: ("account.setting.peer.login.expiration.update", "Life of a login changed")
        case .inactivityExpirationEnable: ("account.peer.inactivity.expiration.enable", "Inactive peers expire")
        case .inactivityExpirationDisable: ("account.peer.inactivity.expiration.disable", "Inactive peers stay")
        case .inactivityExpirationUpdate: ("account.peer.inactivity.expiration.update", "Time of inactivity changed")
        case .groupPropagationEnable: ("account.setting.group.propagation.enable", "Users' groups reach their peers")
        case .groupPropagationDisable: ("account.setting.group.propagation.disable", "Users' groups stay theirs")
        case .routingPeerResolutionEnable:
            ("account.setting.routing.peer.dns.resolution.enable", "Routing peers resolve domains")
        case .routingPeerResolutionDisable:
            ("account.setting.routing.peer.dns.resolution.disable", "Clients resolve domains")
        case .domainUpdate: ("account.dns.domain.update", "Domain of the peers changed")
        case .lazyConnectionEnable: ("account.setting.lazy.connection.enable", "Lazy connections switched on")
        case .lazyConnectionDisable: ("account.setting.lazy.connection.disable", "Lazy connections switched off")
        case .networkRangeUpdate: ("account.network.range.update", "Network of the mesh changed")
        case .policyAdd: ("policy.add", "Policy made")
        case .policyUpdate: ("policy.update", "Policy changed")
        case .policyDelete: ("policy.delete", "Policy deleted")
        case .routeAdd: ("route.add", "Route made")
        case .routeDelete: ("route.delete", "Route deleted")
        case .routeUpdate: ("route.update", "Route changed")
        case .networkCreate: ("network.create", "Network made")
        case .networkUpdate: ("network.update", "Network changed")
        case .networkDelete: ("network.delete", "Network deleted")
        case .networkResourceCreate: ("network.resource.create", "Resource added to a network")
        case .networkResourceUpdate: ("network.resource.update", "Resource of a network changed")
        case .networkResourceDelete: ("network.resource.delete", "Resource removed from a network")
        case .networkRouterCreate: ("network.router.create", "Router added to a network")
        case .networkRouterUpdate: ("network.router.update", "Router of a network changed")
        case .networkRouterDelete: ("network.router.delete", "Router removed from a network")
        case .setupKeyAdd: ("setupkey.add", "Setup key made")
        case .setupKeyUpdate: ("setupkey.update", "Setup key changed")
        case .setupKeyRevoke: ("setupkey.revoke", "Setup key revoked")
        case .setupKeyDelete: ("setupkey.delete", "Setup key deleted")
        case .setupKeyGroupAdd: ("setupkey.group.add", "Group added to a setup key")
        case .setupKeyGroupDelete: ("setupkey.group.delete", "Group removed from a setup key")
        case .groupAdd: ("group.add", "Group made")
        case .groupUpdate: ("group.update", "Group changed")
        case .groupDelete: ("group.delete", "Group deleted")
        case .peerGroupAdd: ("peer.group.add", "Peer put into a group")
        case .peerGroupDelete: ("peer.group.delete", "Peer taken out of a group")
        case .resourceGroupAdd: ("resource.group.add", "Resource put into a group")
        case .resourceGroupDelete: ("resource.group.delete", "Resource taken out of a group")
        case .peerSSHEnable: ("peer.ssh.enable", "SSH of a peer switched on")
        case .peerSSHDisable: ("peer.ssh.disable", "SSH of a peer switched off")
        case .peerRename: ("peer.rename", "Peer renamed")
        case .peerAddressUpdate: ("peer.ip.update", "Address of a peer changed")
        case .userGroupAdd: ("user.group.add", "Group added to a user")
        case .userGroupDelete: ("user.group.delete", "Group removed from a user")
        case .userRoleUpdate: ("user.role.update", "Role of a user changed")
        case .accountCreate: ("account.create", "Mesh set up")
        case .accessTokenCreate: ("personal.access.token.create", "Access token made")
        case .accessTokenDelete: ("personal.access.token.delete", "Access token deleted")
        case .serviceUserCreate: ("service.user.create", "Service user made")
        case .serviceUserDelete: ("service.user.delete", "Service user deleted")
        case .userBlock: ("user.block", "User blocked")
        case .userUnblock: ("user.unblock", "User unblocked")
        case .userDelete: ("user.delete", "User deleted")
        case .ownerRoleTransfer: ("transferred.owner.role", "Ownership handed over")
        case .userCreate: ("user.create", "User made")
        case .userPasswordChange: ("user.password.change", "Password changed")
        }
    }
}
