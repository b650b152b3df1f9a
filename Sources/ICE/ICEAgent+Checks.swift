import MeshModel

/// Connectivity checks: RFC 8445, sections 7.2 (sending) and 7.3 (receiving).
extension ICEAgent {
    mutating func tick(at now: ContinuousClock.Instant, random: inout RandomSource) -> [Effect] {
        guard now >= nextChecks else { return [] }
        transactions = transactions.filter { $0.value.sent + ICETimers.transactionExpiry > now }
        if let selected {
            if lastHeard + ICETimers.disconnectedTimeout <= now { return finish(.silent) }
            nextChecks = min(now + ICETimers.keepaliveInterval, lastHeard + ICETimers.disconnectedTimeout)
            return check(selected, useCandidate: false, at: now, random: &random)
        }
        if start + ICETimers.failedTimeout <= now { return finish(.noPathFound(pairs: pairs.count)) }
        nextChecks = now + ICETimers.checkInterval
        if isControlling, let nominee = nominee(at: now) {
            return check(nominee, useCandidate: true, at: now, random: &random)
        }
        var effects: [Effect] = []
        for pair in pairsByPriority where pair.state == .waiting || pair.state == .inProgress {
            if pair.checksSent >= ICETimers.checksPerPair {
                pairs[pair.key]?.state = .failed
            } else {
                effects += check(pair.key, useCandidate: false, at: now, random: &random)
            }
        }
        return effects
    }

    mutating func receive(
        _ message: STUNMessage,
        _ datagram: Datagram,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        switch message.kind {
        case .bindingRequest: receiveRequest(message, datagram, at: now, random: &random)
        case .bindingSuccess: receiveSuccess(message, datagram, at: now)
        case .bindingError: receiveError(message)
        case .bindingIndication: []  // Keepalives of RFC 8445, section 11: nothing to answer.
        }
    }

    /// Sends one check through a pair, attributes in the order stock agents send them.
    private mutating func check(
        _ key: CandidatePair.Key,
        useCandidate: Bool,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard let pair = pairs[key], transactions.count < Self.mostTransactions else { return [] }
        let username = "\(configuration.remote.usernameFragment):\(configuration.local.usernameFragment)"
        var attributes: [(STUNAttributeType, [UInt8])] = [(.username, Array(username.utf8))]
        if useCandidate { attributes.append((.useCandidate, [])) }
        attributes.append((isControlling ? .iceControlling : .iceControlled, bigEndianBytes(tieBreaker)))
        attributes.append((.priority, bigEndianBytes(pair.local.priority)))
        let transactionID = random.bytes(12)
        transactions[transactionID] = Transaction(pair: key, sent: now, hasUseCandidate: useCandidate)
        pairs[key]?.checksSent += 1
        pairs[key]?.lastCheck = now
        if pair.state == .waiting { pairs[key]?.state = .inProgress }
        let bytes = STUNMessage.encode(
            .bindingRequest,
            transactionID: transactionID,
            attributes: attributes,
            integrityKey: configuration.remote.password,
            candidatePair: pair.remote.id.map { "\(pair.local.id):\($0)" }
        )
        return [.send(Datagram(local: key.local, remote: key.remote, bytes: bytes))]
    }

    private mutating func receiveRequest(
        _ request: STUNMessage,
        _ datagram: Datagram,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        let username = "\(configuration.local.usernameFragment):\(configuration.remote.usernameFragment)"
        guard request.username == username else { return [.ignored("check for another user")] }
        guard request.hasValidIntegrity(key: configuration.local.password) else {
            return [.ignored("check with a wrong MESSAGE-INTEGRITY")]
        }
        if let conflict = resolveRoleConflict(request, datagram) { return [conflict] }
        let answer = response(
            .bindingSuccess,
            to: request,
            datagram,
            [
                (.xorMappedAddress, STUNMessage.xorMapped(datagram.remote, transactionID: request.transactionID))
            ]
        )
        learnPeerReflexive(request, datagram)
        let key = CandidatePair.Key(local: datagram.local, remote: datagram.remote)
        guard let pair = pairs[key] else { return [answer, .ignored("check at an address that is no candidate")] }
        pairs[key]?.checksReceived += 1
        if key == selected { lastHeard = now }
        if request.hasUseCandidate, !isControlling {
            if pair.state == .succeeded { return [answer] + select(key, at: now) }
            pairs[key]?.isNominatedByRemote = true
        }
        return [answer] + triggeredCheck(key, at: now, random: &random)
    }

    /// RFC 8445, section 7.3.1.4, held to one check per pair and interval, and to the time before a selection: two agents
    /// that each answer a check with a check would do so at round-trip rate.
    private mutating func triggeredCheck(
        _ key: CandidatePair.Key,
        at now: ContinuousClock.Instant,
        random: inout RandomSource
    ) -> [Effect] {
        guard selected == nil || (key != selected && !isControlling), let pair = pairs[key], pair.state != .succeeded
        else { return [] }
        if let lastCheck = pair.lastCheck, lastCheck + ICETimers.checkInterval > now { return [] }
        if pair.state == .failed {
            pairs[key]?.state = .waiting
            pairs[key]?.checksSent = 0
        }
        return check(key, useCandidate: false, at: now, random: &random)
    }

    /// A check from an address nobody told us of makes it a candidate. Source: RFC 8445, section 7.3.1.3.
    private mutating func learnPeerReflexive(_ request: STUNMessage, _ datagram: Datagram) {
        if remotes[datagram.remote] == nil, remotes.count < Self.mostRemotes {
            remotes[datagram.remote] = RemoteCandidate(
                kind: .prflx,
                endpoint: datagram.remote,
                priority: candidatePriority(of: .prflx),
                id: request.candidatePair?.source
            )
        }
        formPairs(with: datagram.remote)
    }

    private mutating func receiveSuccess(
        _ response: STUNMessage,
        _ datagram: Datagram,
        at now: ContinuousClock.Instant
    ) -> [Effect] {
        guard let transaction = transactions[response.transactionID] else {
            return [.ignored("answer to no check of ours")]
        }
        guard response.hasValidIntegrity(key: configuration.remote.password) else {
            return [.ignored("answer with a wrong MESSAGE-INTEGRITY")]
        }
        transactions[response.transactionID] = nil
        // Symmetry, RFC 8445, section 7.2.5.2.1: anything else is a path that works in one direction only.
        guard datagram.remote == transaction.pair.remote, datagram.local == transaction.pair.local else {
            pairs[transaction.pair]?.state = .failed
            return [.ignored("answer from another address than the check went to")]
        }
        guard var pair = pairs[transaction.pair] else { return [.ignored("answer for a pair that is gone")] }
        let roundTrip = now - transaction.sent
        pair.roundTrip = min(pair.roundTrip ?? roundTrip, roundTrip)
        pair.state = .succeeded
        pair.answersReceived += 1
        if let mapped = response.mappedAddress, mapped != pair.sighting?.mapped {
            pair.sighting = CandidatePair.Sighting(mapped: mapped, since: now)
        }
        pairs[transaction.pair] = pair
        if transaction.pair == selected { lastHeard = now }
        if transaction.hasUseCandidate || pair.isNominatedByRemote && !isControlling {
            return select(transaction.pair, at: now)
        }
        // The controlling side nominates at its next round; make that round now.
        if isControlling, selected == nil { nextChecks = now }
        return []
    }

    private mutating func receiveError(_ response: STUNMessage) -> [Effect] {
        guard let transaction = transactions[response.transactionID] else {
            return [.ignored("answer to no check of ours")]
        }
        guard response.hasValidIntegrity(key: configuration.remote.password) else {
            return [.ignored("answer with a wrong MESSAGE-INTEGRITY")]
        }
        transactions[response.transactionID] = nil
        guard response.errorCode == 487 else {
            pairs[transaction.pair]?.state = .failed
            return [.ignored("check refused with \(response.errorCode.map { String($0) } ?? "no code")")]
        }
        // RFC 8445, section 7.2.5.1: take the other role and try the pair again.
        isControlling.toggle()
        pairs[transaction.pair]?.state = .waiting
        return []
    }

    /// RFC 8445, section 7.3.1.1: the greater tie-breaker controls.
    ///
    /// - Returns: the refusal to send; `nil` if there is no conflict or we gave way.
    private mutating func resolveRoleConflict(_ request: STUNMessage, _ datagram: Datagram) -> Effect? {
        guard let role = request.role, role.isControlling == isControlling else { return nil }
        let weControl = tieBreaker >= role.tieBreaker
        guard weControl == isControlling else {
            isControlling.toggle()
            return nil
        }
        let conflict: [UInt8] = [0, 0, 4, 87] + Array("Role Conflict".utf8)
        return response(.bindingError, to: request, datagram, [(.errorCode, conflict)])
    }

    private func response(
        _ kind: STUNMessage.Kind,
        to request: STUNMessage,
        _ datagram: Datagram,
        _ attributes: [(STUNAttributeType, [UInt8])]
    ) -> Effect {
        let bytes = STUNMessage.encode(
            kind,
            transactionID: request.transactionID,
            attributes: attributes,
            integrityKey: configuration.local.password,
            candidatePair: request.candidatePair.map { "\($0.target):\($0.source)" }
        )
        return .send(Datagram(local: datagram.local, remote: datagram.remote, bytes: bytes))
    }
}
