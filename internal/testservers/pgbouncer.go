package testservers

import (
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// PgBouncer starts a pgbouncer in transaction mode for this test alone, in front of the database
// that the URL names (Postgres, DurablePostgres), and returns the URL of the same through it. Its
// sessions are two, so that one after the other is used for what a client does in turn.
func PgBouncer(tb testing.TB, database string) string {
	tb.Helper()
	path, err := find("pgbouncer", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")
	if err != nil {
		missing(tb, "%v", err)
	}
	account, err := unprivileged()
	if err != nil {
		missing(tb, "%v", err)
	}
	u, err := url.Parse(database)
	if err != nil {
		tb.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "goalcast-pgbouncer-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(folder) })
	if account != nil {
		if err := os.Chown(folder, int(account.Uid), int(account.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	// search_path is of the session, and none of the parameters that pgbouncer
	// keeps for its clients.
	schema := u.Query().Get("search_path")
	name := strings.Trim(u.Path, "/")
	for range 3 {
		port := strconv.Itoa(freePort(tb))
		settings := fmt.Sprintf(`[databases]
%s = host=%s port=%s dbname=%[1]s connect_query='SET search_path = %[4]s'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[5]s
unix_socket_dir =
auth_type = trust
auth_file = %[6]s/users
pool_mode = transaction
server_round_robin = 1
default_pool_size = 2
max_client_conn = 200
`, name, u.Hostname(), u.Port(), schema, port, folder)
		for file, text := range map[string]string{"ini": settings, "users": fmt.Sprintf("%q \"\"\n",
			u.User.Username())} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
				tb.Fatal(err)
			}
		}
		var proc *server
		if proc, err = launch("KILL", "", filepath.Join(folder, "log"), account, path,
			filepath.Join(folder, "ini")); err != nil {
			tb.Fatal(err)
		}
		through := fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", u.User.Username(),
			net.JoinHostPort("127.0.0.1", port), name)
		var db *sql.DB
		if db, err = sql.Open("pgx", through+"&default_query_exec_mode=simple_protocol"); err != nil {
			tb.Fatal(err)
		}
		err = eventually(startLimit/6, db.Ping)
		db.Close()
		if err == nil {
			tb.Cleanup(proc.stop)
			return through
		}
		proc.stop()
	}
	text, _ := os.ReadFile(filepath.Join(folder, "log"))
	tb.Fatalf("start pgbouncer: %v\n%s", err, text)
	return ""
}
