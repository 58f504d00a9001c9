package swarm

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// loop is a worker's one thread: it owns the viewers and their sockets.
type loop struct {
	*checker
	targets []target
	first   int // number of the first viewer
	source  [4]byte
	local   bool // bind to source

	epoll, wake int
	asks        chan func()
	viewers     []viewer
	buffer      []byte
	inflater    inflater

	want      bool      // viewers that are away are to connect
	rampBegan time.Time // of the present ramp
	ramped    int       // dialed since
	next      int       // viewer to dial next
	again     []retry   // failed, or said goodbye to; by time
	swept     time.Time
	busy      time.Duration
	measured  time.Time
}

// retry brings a viewer back at a time.
type retry struct {
	at     time.Time
	viewer int32
}

// newLoop makes the viewers of a worker; run connects them.
func newLoop(cfg Config, worker int) (*loop, error) {
	l := &loop{checker: newChecker(cfg), asks: make(chan func(), 1), inflater: newInflater(cfg.Protocol != Plain),
		buffer: make([]byte, 256<<10), measured: time.Now()}
	var err error
	if l.targets, err = cfg.targets(); err != nil {
		return nil, err
	}
	l.source, l.local = [4]byte{127, 0, byte(1 + worker/250), byte(1 + worker%250)}, l.targets[0].ip.IsLoopback()
	var count int
	l.first, count = cfg.share(worker)
	l.viewers = make([]viewer, count)
	for i := range l.viewers {
		l.viewers[i] = l.newViewer(l.first + i)
		l.viewers[i].place = int32(i)
		l.viewers[i].slow = cfg.slow(l.first + i)
	}
	l.stats.Conns = int64(count)
	l.next = count
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(l.epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1})
	return l, os.NewSyscallError("epoll_ctl", err)
}

// ask has the loop call f between two rounds; it waits until that is done. Not
// after run has returned.
func (l *loop) ask(f func()) {
	done := make(chan struct{})
	l.asks <- func() { f(); close(done) }
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-done
}

// run serves the viewers until stop is closed, and closes their sockets.
func (l *loop) run(stop <-chan struct{}) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.close()
	var events [512]unix.EpollEvent
	woke := time.Now()
	for {
		select {
		case <-stop:
			return nil
		case f := <-l.asks:
			f()
		default:
		}
		pause := l.dialMore()
		l.sweep()
		l.busy += time.Since(woke)
		n, err := unix.EpollWait(l.epoll, events[:], pause)
		woke = time.Now()
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		for i := range max(n, 0) {
			e := &events[i]
			if e.Fd < 0 {
				var b [8]byte
				_, _ = unix.Read(l.wake, b[:])
				continue
			}
			if v := &l.viewers[e.Fd]; v.use == e.Pad && v.fd >= 0 {
				l.ready(v, e.Events)
			}
		}
	}
}

func (l *loop) close() {
	for i := range l.viewers {
		if fd := l.viewers[i].fd; fd >= 0 {
			reset(fd)
			_ = unix.Close(int(fd))
		}
	}
	_ = unix.Close(l.wake)
	_ = unix.Close(l.epoll)
}

// dialMore connects who is due, as fast as the rate and the number of handshakes under way allow,
// and tells for how many ms to sleep at most.
func (l *loop) dialMore() (pause int) {
	pause = 100
	now := time.Now()
	for len(l.again) > 0 && !l.again[0].at.After(now) && l.stats.Dialing < int64(l.cfg.Dialing) {
		v := &l.viewers[l.again[0].viewer]
		l.again = l.again[1:]
		if v.phase == away && l.want {
			l.dial(v)
		}
	}
	if len(l.again) > 0 {
		pause = 10
	}
	if l.next == len(l.viewers) {
		return pause
	}
	allowed := len(l.viewers)
	if l.cfg.Rate > 0 {
		allowed = int(now.Sub(l.rampBegan).Seconds() * l.cfg.Rate / float64(l.cfg.workers()))
		pause = 1
	}
	for l.next < len(l.viewers) && l.ramped < allowed && l.stats.Dialing < int64(l.cfg.Dialing) {
		if v := &l.viewers[l.next]; v.phase == away {
			l.dial(v)
			l.ramped++
		}
		l.next++
	}
	return pause
}

// connect begins a ramp: all who are away.
func (l *loop) connect() {
	l.want, l.rampBegan, l.ramped, l.next, l.again = true, time.Now(), 0, 0, nil
	l.stats.FirstDial = 0
}

func micros() int64 { return time.Now().UnixMicro() }

// dial begins a handshake.
func (l *loop) dial(v *viewer) {
	v.began = micros()
	earliest(&l.stats.FirstDial, v.began)
	t := l.targets[(l.first+int(v.place))%len(l.targets)]
	fd, err := l.socket(v, t)
	if err != nil {
		l.stats.Failed++
		l.stats.Errors[plain(err)]++
		l.later(v, l.cfg.Retry)
		return
	}
	v.fd, v.phase = int32(fd), connected
	v.use++
	v.chunked, v.left, v.head, v.rest, v.retry = false, 0, nil, nil, 0
	v.alone, v.window = false, nil
	l.stats.Dialing++
	l.writeRequest(v) // on loopback the connection often is there already
}

// socket makes a connection under way.
func (l *loop) socket(v *viewer, t target) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if v.slow {
		// or the kernels hold megabytes before the hub notices
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	}
	if l.local {
		// the port is found when the destination is known
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: l.source}); err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
	}
	to := &unix.SockaddrInet4{Port: t.port, Addr: [4]byte(t.ip)}
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// writeRequest sends the handshake, or waits until the connection is there.
func (l *loop) writeRequest(v *viewer) {
	cursor := l.cursor(v)
	t := l.targets[(l.first+int(v.place))%len(l.targets)]
	_, err := unix.Write(int(v.fd), l.cfg.request(t, l.numbers(v), cursor)) // a new socket takes it as a whole
	op, events := unix.EPOLL_CTL_ADD, uint32(unix.EPOLLIN)
	if v.phase == connected && v.awaits == -1 {
		op = unix.EPOLL_CTL_MOD
	}
	switch err {
	case nil:
		v.phase, v.awaits = asked, 0
	case unix.EAGAIN, unix.ENOTCONN, unix.EINPROGRESS:
		if op == unix.EPOLL_CTL_MOD {
			return
		}
		v.awaits, events = -1, unix.EPOLLOUT // -1: the socket is on the epoll already
	default:
		l.fail(v, plain(err))
		return
	}
	if err := unix.EpollCtl(l.epoll, op, int(v.fd), &unix.EpollEvent{Events: events, Fd: v.place,
		Pad: v.use}); err != nil {
		l.fail(v, plain(err))
	}
}

// ready serves a socket.
func (l *loop) ready(v *viewer, events uint32) {
	if v.phase == connected {
		if code, err := unix.GetsockoptInt(int(v.fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
			l.fail(v, plain(unix.Errno(code)))
			return
		}
		l.writeRequest(v)
		return
	}
	n, err := unix.Read(int(v.fd), l.buffer[len(v.rest):])
	if n > 0 {
		copy(l.buffer, v.rest)
		l.take(v, l.buffer[:len(v.rest)+n], n)
		return
	}
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		l.fail(v, plain(err))
	default:
		l.fail(v, "closed by the server")
	}
}

// take works through what was read; n of its bytes are new.
func (l *loop) take(v *viewer, b []byte, n int) {
	now := micros()
	l.stats.Bytes += int64(n)
	if v.phase == asked {
		if b = l.answer(v, b); v.phase == asked || v.fd < 0 {
			return
		}
		n = len(b)
	}
	var err error
	var rest []byte
	if l.cfg.Transport == SSE {
		rest, err = l.takeEvents(v, b, n, now)
	} else {
		rest, err = l.takeFrames(v, b, now)
	}
	if err != nil {
		l.fail(v, err.Error())
	}
	if v.fd < 0 {
		return
	}
	l.keep(v, rest)
	if v.phase == joining && v.awaits <= 0 {
		l.joined(v, now)
	}
}

func (l *loop) keep(v *viewer, rest []byte) {
	switch {
	case len(rest) == 0:
		v.rest = nil
	case len(rest) > len(l.buffer)/2:
		l.buffer = make([]byte, 2*len(l.buffer)) // a snapshot of several hundred kB
		fallthrough
	default:
		v.rest = bytes.Clone(rest)
	}
}

// answer reads the header of the server's answer, and returns what is behind it.
func (l *loop) answer(v *viewer, b []byte) []byte {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		v.rest = bytes.Clone(b)
		return nil
	}
	v.rest = nil
	status, _, _ := bytes.Cut(head, []byte("\r\n"))
	var code [1]int64
	numbersAt(append(bytes.Clone(after(status, []byte(" "))), ' '), code[:])
	want := int64(101)
	if l.cfg.Transport == SSE {
		want = 200
	}
	if code[0] != want {
		l.fail(v, "status "+strconv.FormatInt(code[0], 10))
		return nil
	}
	lower := strings.ToLower(string(head))
	v.chunked = strings.Contains(lower, "transfer-encoding: chunked")
	if l.cfg.Deflate && !strings.Contains(lower, "permessage-deflate") {
		l.stats.Errors["deflate was not granted"]++
	}
	v.alone = strings.Contains(lower, "server_no_context_takeover")
	v.phase = joining
	v.awaits = 0
	if l.cfg.Protocol == Goalcast {
		v.awaits = 1 // hello
		if l.cursor(v) == "" {
			v.awaits += int16(len(l.cfg.topics(l.numbers(v))))
		}
	}
	return body
}

// joined notes that a viewer is there.
func (l *loop) joined(v *viewer, now int64) {
	v.phase = live
	l.stats.Dialing--
	l.stats.Joined++
	l.stats.Joins++
	l.stats.LastJoin = now
	l.stats.JoinLatency.record(now - v.began)
	if v.slow {
		v.phase = asleep
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(v.fd), nil)
	}
}

// takeFrames works through WebSocket frames and returns what is incomplete.
func (l *loop) takeFrames(v *viewer, b []byte, now int64) ([]byte, error) {
	for {
		f, size, err := nextFrame(b)
		if err != nil || size == 0 {
			return b, err
		}
		b = b[size:]
		switch f.op {
		case opText:
			if f.compressed {
				l.stats.Compressed++
				if f.payload, err = l.unpack(v, f.payload); err != nil {
					return b, err
				}
			}
			l.frame(v, f.payload, now)
		case opPing:
			// masked with zero
			_, _ = unix.Write(int(v.fd), append([]byte{0x8a, 0x80 | byte(len(f.payload)), 0, 0, 0, 0}, f.payload...))
		case opClose:
			code := "none"
			if len(f.payload) >= 2 {
				code = strconv.Itoa(int(f.payload[0])<<8 | int(f.payload[1]))
			}
			l.stats.Closes[code]++
			l.fail(v, "close "+code)
			return nil, nil
		}
	}
}

// unpack undoes a message's compression, as RFC 7692 has each viewer do it, with all that
// was said to it before.
func (l *loop) unpack(v *viewer, packed []byte) ([]byte, error) {
	text, after, err := l.inflater.inflate(v.window, packed)
	if err == nil && !v.alone {
		v.window = after
	}
	return text, err
}

// takeEvents works through server-sent events; n of the bytes are new, those before are without
// chunk headers already.
func (l *loop) takeEvents(v *viewer, b []byte, n int, now int64) ([]byte, error) {
	if v.chunked {
		left := int(v.left)
		old, fresh := b[:len(b)-n], b[len(b)-n:]
		if len(v.head) > 0 {
			fresh = append(v.head, fresh...)
		}
		body, head, err := dechunk(fresh, &left)
		if err != nil {
			return nil, err
		}
		v.left, v.head = int32(left), bytes.Clone(head)
		b = append(old, body...)
	}
	for {
		id, data, size := nextEvent(b)
		if size == 0 {
			return b, nil
		}
		b = b[size:]
		if len(id) > 0 && l.cfg.Protocol == Goalcast {
			l.setCursor(v, id, bytes.HasPrefix(data, []byte(`{"type":"ev`)))
		}
		if len(data) > 0 {
			l.frame(v, data, now)
		}
	}
}

// fail ends a connection, or a handshake, and sees whether and when it is tried again.
func (l *loop) fail(v *viewer, why string) {
	l.stats.Errors[why]++
	was := v.phase
	l.hangUp(v)
	switch was {
	case connected, asked, joining:
		l.stats.Dialing--
		l.stats.Failed++
		l.later(v, l.cfg.Retry)
	case live, asleep:
		l.stats.Joined--
		l.stats.Lost++
		if l.cfg.Reconnect {
			l.later(v, max(time.Duration(v.retry)*time.Millisecond, l.cfg.Retry))
		}
	}
}

func (l *loop) hangUp(v *viewer) {
	_ = unix.Close(int(v.fd))
	v.fd, v.phase, v.rest = -1, away, nil
	v.use++
}

// later has a viewer dial again after about that time.
func (l *loop) later(v *viewer, in time.Duration) {
	at := time.Now().Add(in/2 + time.Duration(rand.Int64N(int64(in)+1)))
	i := len(l.again)
	l.again = append(l.again, retry{at, v.place})
	for ; i > 0 && l.again[i-1].at.After(at); i-- {
		l.again[i-1], l.again[i] = l.again[i], l.again[i-1]
	}
}

// sweep ends handshakes that take too long, once a second.
func (l *loop) sweep() {
	now := time.Now()
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	if l.stats.Dialing == 0 {
		return
	}
	limit := now.Add(-l.cfg.Timeout).UnixMicro()
	for i := range l.viewers {
		if v := &l.viewers[i]; v.phase >= connected && v.phase <= joining && v.began < limit {
			l.fail(v, "time-out")
		}
	}
}

// cut ends all connections at once, as when a network goes away: with resets, so
// that no ports stay taken.
func (l *loop) cut() {
	l.want, l.again, l.next = false, nil, len(l.viewers)
	for i := range l.viewers {
		v := &l.viewers[i]
		if v.fd < 0 {
			continue
		}
		if v.phase >= live {
			l.stats.Joined--
		} else {
			l.stats.Dialing--
		}
		reset(v.fd)
		l.hangUp(v)
	}
}

// revive wakes the slow: they read what is there, and come back, as quick ones, if they were cut.
func (l *loop) revive() {
	for i := range l.viewers {
		v := &l.viewers[i]
		if v.slow = false; v.phase != asleep {
			continue
		}
		v.phase = live
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(v.fd), &unix.EpollEvent{Events: unix.EPOLLIN,
			Fd: v.place, Pad: v.use}); err != nil {
			l.fail(v, plain(err))
		}
	}
	l.cfg.Reconnect, l.want = true, true
}

func reset(fd int32) {
	_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func plain(err error) string { return strings.ToLower(err.Error()) }
