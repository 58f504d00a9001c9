package testservers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// KeepArchive has the server archive its log from now on, by a restart. A piece of the log is
// archived when it is full (16 MB) or Archive is called, and not before.
func (p *PostgresServer) KeepArchive(tb testing.TB) {
	tb.Helper()
	archive := filepath.Join(p.folder, "archive")
	p.run(tb, "mkdir", archive)
	// Complete under its name or not there.
	p.Do(tb, fmt.Sprintf("ALTER SYSTEM SET archive_command = 'cp %%p %[1]s/new && mv %[1]s/new %[1]s/%%f'", archive))
	p.Do(tb, "ALTER SYSTEM SET archive_mode = on")
	p.Stop()
	p.Start(tb)
}

// Backup takes a base backup in place of the last one. The log that is written meanwhile has to be
// archived before it is of use.
func (p *PostgresServer) Backup(tb testing.TB) {
	tb.Helper()
	backup := filepath.Join(p.folder, "backup")
	p.run(tb, "rm", "-rf", backup)
	p.baseBackup(tb, backup, p, "-X", "none")
}

// Archive archives what the log has up to now, as archive_timeout would, and returns when it is
// there.
func (p *PostgresServer) Archive(tb testing.TB) {
	tb.Helper()
	piece := p.Do(tb, "SELECT pg_walfile_name(pg_current_wal_lsn())")
	p.Do(tb, "SELECT pg_switch_wal()::text")
	err := eventually(startLimit, func() error {
		_, err := os.Stat(filepath.Join(p.folder, "archive", piece))
		return err
	})
	if err != nil {
		tb.Fatalf("%v\n%s", err, p.output())
	}
}

// Lose kills the server and deletes its data. The backup and the archive stay.
func (p *PostgresServer) Lose(tb testing.TB) {
	tb.Helper()
	p.Stop()
	p.run(tb, "rm", "-rf", filepath.Join(p.folder, "data"))
}

// Restore starts the server on its backup and all that was archived since, and returns when it
// takes writes.
func (p *PostgresServer) Restore(tb testing.TB) {
	tb.Helper()
	data := filepath.Join(p.folder, "data")
	p.run(tb, "cp", "-a", filepath.Join(p.folder, "backup"), data)
	fetch := fmt.Sprintf(`echo "restore_command = 'cp %s/archive/%%f %%p'" >>%s/postgresql.auto.conf`, p.folder, data)
	p.run(tb, "sh", "-c", fetch)
	p.run(tb, "touch", filepath.Join(data, "recovery.signal"))
	p.Start(tb)
	err := eventually(startLimit, func() error {
		if p.Do(tb, "SELECT pg_is_in_recovery()::text") != "false" {
			return fmt.Errorf("the server does not take writes")
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("%v\n%s", err, p.output())
	}
}

// baseBackup makes a folder a copy of a server's data.
func (p *PostgresServer) baseBackup(tb testing.TB, folder string, of *PostgresServer, options ...string) {
	tb.Helper()
	tool, err := find("pg_basebackup", filepath.Dir(p.args[0]))
	if err != nil {
		missing(tb, "%v", err)
	}
	p.run(tb, tool, append([]string{"-D", folder, "-d", of.URL, "-c", "fast", "--no-sync"}, options...)...)
}

// run runs a command as the server's account.
func (p *PostgresServer) run(tb testing.TB, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}
