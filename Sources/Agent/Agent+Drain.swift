import AgentCore
import Logging
import MeshModel
import Routing

/// Maintenance of a gateway: its clients go elsewhere before it does.
extension Agent {
    /// Stores the wish, lets it take effect, and tells who still uses us: the status is `.degraded` while somebody does.
    func answer(_ request: DrainRequest) async -> StatusResponse {
        do throws(AgentFailure) {
            if core.isDraining != request.isDraining {
                try DrainWish.store(isDraining: request.isDraining, in: state)
                logger.info("wish", metadata: ["drain": request.isDraining ? "yes" : "no"])
                deliver(.setDraining(request.isDraining))
                if let problem = await passDone() { throw problem }
                drainBegan = request.isDraining ? clock.now : nil
            }
            let report = DrainReport(
                networks: serving?.networks ?? 0,
                draining: core.isDraining ? clock.now - (drainBegan ?? clock.now) : nil,
                users: core.isDraining ? drainUsers(try await reconciler.drainUsers()) : []
            )
            let isDone = report.isDrained || !core.isDraining
            return StatusResponse(isDone ? .success : .degraded, request.isJSON ? report.json : report.text)
        } catch {
            return StatusResponse(error.status, "\(error)\n")
        }
    }

    private func drainUsers(_ users: [DrainUser]) -> [DrainReport.User] {
        var names: [IPAddress: String] = [:]
        for peer in status.peers {
            for prefix in peer.allowedIPs where prefix.isHost { names[prefix.address] = peer.fqdn }
        }
        return users.map { user in
            let name = names[user.address] ?? "\(user.address)"
            return DrainReport.User(name: name, address: user.address, idle: user.idle)
        }
    }
}
