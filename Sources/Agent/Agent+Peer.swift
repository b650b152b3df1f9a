package import AgentCore
import Glibc
import MeshModel

/// What `wgctl status PEER` asks.
extension Agent {
    /// The status is `.degraded` while there is no way to the peer, `.failure` if nobody is meant by the name.
    func answer(_ request: PeerRequest) async -> StatusResponse {
        await refreshCounters()
        let report = report()
        do throws(AgentFailure) {
            let peer = try peer(named: request.name, among: report.core.peers)
            let seconds = Int64(time(nil))
            let path = core.pathReport(of: peer.publicKey, at: clock.now, nowSeconds: seconds)
            let status: ExitStatus = peer.isConnected || peer.path == .sleeping ? .success : .degraded
            return StatusResponse(status, report.answer(peer, request.isWhy ? path : nil, isJSON: request.isJSON))
        } catch {
            return StatusResponse(error.status, "\(error)\n")
        }
    }
}

extension StatusReport {
    /// - Parameter path: `nil`: how the path came about was not asked for.
    package func answer(_ peer: PeerStatus, _ path: PathReport?, isJSON: Bool) -> String {
        if isJSON {
            let members = members(of: peer) + (path?.members ?? [])
            return JSONValue.object(members).text() + "\n"
        }
        return block(peer).map { $0 + "\n" }.joined() + (path?.text ?? "")
    }
}
