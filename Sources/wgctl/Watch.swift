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
        // So that the terminal is always left as it was. Blocking them would not do: Dispatch parks the main thread with all
        // signals let through.
        guard interruption.read >= 0 else {
            complain("\(invocation.program): cannot make a pipe")
            return EXIT_FAILURE
        }
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                // Safe in a handler: the pipe was made before. A full pipe says enough.
                var byte: UInt8 = 1
                _ = write(interruption.write, &byte, 1)
            }
        }
        if isTerminal { _ = writeAll(Array("\u{1b}[?1049h\u{1b}[?25l".utf8), to: STDOUT_FILENO) }
        let status = await loop(invocation, read)
        if isTerminal { _ = writeAll(Array("\u{1b}[?25h\u{1b}[?1049l".utf8), to: STDOUT_FILENO) }
        return status
    }

    private func loop(_ invocation: Invocation, _ read: () async -> [DeviceSnapshot]?) async -> Int32 {
        var meter = RateMeter()
        let clock = ContinuousClock()
        while true {
            guard let devices = await read() else { return EXIT_FAILURE }
            var page = page(devices, meter: &meter, at: clock.now)
            guard printing(&page, invocation) == EXIT_SUCCESS else { return EXIT_FAILURE }
            if waitForInterruption(seconds: intervalSeconds) { return EXIT_SUCCESS }
        }
    }

    private func page(_ devices: [DeviceSnapshot], meter: inout RateMeter, at now: ContinuousClock.Instant) -> ByteText
    {
        var page = ByteText()
        if isJSON {
            let members = devices.map {
                JSONValue.device($0, hidesKeys: style.hidesKeys, linkNames: KernelDevices.linkName)
            }
            page.append(JSONValue.object(members))
            page.append("\n")
            return page
        }
        let seconds = Int64(time(nil))
        var text = ShowText(style: style, nowSeconds: seconds, linkNames: KernelDevices.linkName)
        for (index, device) in devices.enumerated() {
            if index > 0 { text.appendSeparator() }
            text.append(device, rates: meter.measure(device, at: now))
        }
        defer { text.wipe() }
        // To the top left; each line clears what was behind it, the last one what was below.
        if isTerminal { page.append("\u{1b}[H") }
        let lineEnd = isTerminal ? "\u{1b}[K\n" : "\n"
        page.append(timestamp(secondsSince1970: seconds) + lineEnd)
        for line in text.text.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
            page.append(bytes: line)
            page.append(lineEnd)
        }
        page.append(isTerminal ? "\u{1b}[J" : "\n")
        return page
    }
}

/// A pipe that a signal's handler writes to; both ends are -1 if it could not be made.
private let interruption: (read: Int32, write: Int32) = {
    var ends: [Int32] = [-1, -1]
    return pipe(&ends) == 0 ? (ends[0], ends[1]) : (-1, -1)
}()

/// - Returns: whether a signal came before the time was up.
private func waitForInterruption(seconds: Int) -> Bool {
    var readiness = pollfd(fd: interruption.read, events: Int16(POLLIN), revents: 0)
    while true {
        let ready = poll(&readiness, 1, Int32(seconds) * 1000)
        if ready >= 0 { return ready > 0 }
        // EINTR: the handler has run, and the next look finds what it wrote.
    }
}
