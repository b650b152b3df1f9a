import Glibc
import NetlinkWire
import WGKernel
import WGTool

/// `show --watch`: shows again and again, with rates per peer, until SIGINT or SIGTERM.
struct Watch {
    let intervalSeconds: Int
    let style: ShowStyle
    let isJSON: Bool
    /// On a terminal it draws over itself; elsewhere pages follow each other, each under its time.
    let isTerminal: Bool

    /// - Parameter read: what to show; `nil` ends the watch, after saying why.
    /// - Returns: the exit status.
    func run(_ invocation: Invocation, _ read: () async -> [DeviceSnapshot]?) async -> Int32 {
        var endSignals = sigset_t()
        sigemptyset(&endSignals)
        sigaddset(&endSignals, SIGINT)
        sigaddset(&endSignals, SIGTERM)
        // Blocked, they wait for `sigtimedwait`, so that the terminal is always left as it was.
        pthread_sigmask(SIG_BLOCK, &endSignals, nil)
        if isTerminal { _ = writeAll(Array("\u{1b}[?1049h\u{1b}[?25l".utf8), to: STDOUT_FILENO) }
        let status = await loop(invocation, endSignals, read)
        if isTerminal { _ = writeAll(Array("\u{1b}[?25h\u{1b}[?1049l".utf8), to: STDOUT_FILENO) }
        return status
    }

    private func loop(
        _ invocation: Invocation,
        _ endSignals: sigset_t,
        _ read: () async -> [DeviceSnapshot]?
    ) async -> Int32 {
        var endSignals = endSignals
        var meter = RateMeter()
        let clock = ContinuousClock()
        while true {
            guard let devices = await read() else { return EXIT_FAILURE }
            let page = page(devices, meter: &meter, at: clock.now)
            guard printing(page, invocation) == EXIT_SUCCESS else { return EXIT_FAILURE }
            var limit = timespec(tv_sec: intervalSeconds, tv_nsec: 0)
            if sigtimedwait(&endSignals, nil, &limit) > 0 { return EXIT_SUCCESS }
        }
    }

    private func page(_ devices: [DeviceSnapshot], meter: inout RateMeter, at now: ContinuousClock.Instant) -> [UInt8] {
        if isJSON {
            let members = devices.map {
                JSONValue.device($0, hidesKeys: style.hidesKeys, linkNames: KernelDevices.linkName)
            }
            return Array((JSONValue.object(members).text + "\n").utf8)
        }
        let seconds = Int64(time(nil))
        var text = ShowText(style: style, nowSeconds: seconds, linkNames: KernelDevices.linkName)
        for (index, device) in devices.enumerated() {
            if index > 0 { text.appendSeparator() }
            text.append(device, rates: meter.measure(device, at: now))
        }
        let head = Array((timestamp(secondsSince1970: seconds) + "\n").utf8)
        if !isTerminal { return head + text.text.bytes + [UInt8(ascii: "\n")] }
        // To the top left; each line clears what was behind it, the last one what was below.
        var page = Array("\u{1b}[H".utf8)
        for byte in head + text.text.bytes {
            if byte == UInt8(ascii: "\n") { page += Array("\u{1b}[K".utf8) }
            page.append(byte)
        }
        return page + Array("\u{1b}[J".utf8)
    }
}
