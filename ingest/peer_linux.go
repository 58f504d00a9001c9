package ingest

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ownProcess says whether the request comes from a process of this machine that runs as our own
// user: one that could read and change the database as well as we. A proxy runs as a user of its
// own. The kernel tells, by the owner of the socket at the other end of the connection.
func ownProcess(r *http.Request) bool {
	here, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	ours, err := netip.ParseAddrPort(here.String())
	if err != nil {
		return false
	}
	theirs, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if uid, found := ownerOf(table, unmapped(theirs), unmapped(ours)); found {
			return uid == os.Getuid()
		}
	}
	return false
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// ownerOf finds the user of the socket with that local and remote address in a table of the
// kernel's (proc(5), "/proc/net/tcp"): fields 2 and 3 are the addresses, 8 is the user.
func ownerOf(table string, local, remote netip.AddrPort) (uid int, found bool) {
	file, err := os.Open(table)
	if err != nil {
		return 0, false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || hexAddr(f[1]) != local || hexAddr(f[2]) != remote {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		return uid, err == nil
	}
	_ = lines.Err() // a table that cannot be read names nobody, like one without the connection
	return 0, false
}

// hexAddr reads "0100007F:1F90": words of 32 bits in the machine's order, then the port. What is
// none of these is the zero address.
func hexAddr(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, bad := strconv.ParseUint(port, 16, 16)
	if err != nil || bad != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n))
}
