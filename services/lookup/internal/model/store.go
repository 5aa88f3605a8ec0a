package model

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	// The driver that database/sql knows as "sqlite".
	_ "modernc.org/sqlite"
)

// schema is all that the store holds. A record that is gone keeps its key and position, and nothing else. Numbers are what hardly
// repeats: ids, meters, telephone numbers, e-mail addresses. Near are the ways in which a word may be mistyped.
const schema = `
CREATE TABLE record (
	doc INTEGER PRIMARY KEY, source TEXT NOT NULL, kind INTEGER NOT NULL, id TEXT NOT NULL, enneo_id TEXT NOT NULL, owner INTEGER NOT NULL,
	epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, read_at INTEGER NOT NULL, body TEXT NOT NULL,
	UNIQUE (source, kind, id)
);
CREATE INDEX record_enneo ON record (enneo_id, kind);
CREATE INDEX record_owner ON record (owner, kind);
CREATE TABLE customer (
	no INTEGER PRIMARY KEY, source TEXT NOT NULL, enneo_id TEXT NOT NULL, folded TEXT NOT NULL,
	UNIQUE (enneo_id, source)
);
CREATE INDEX customer_folded ON customer (folded);
CREATE TABLE number (tag INTEGER NOT NULL, value TEXT NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (tag, value, doc)) WITHOUT ROWID;
CREATE TABLE near (code INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY (code, word)) WITHOUT ROWID;
`

const (
	// folder and file are the names of a model's folder, and of the file in it that its process holds locked.
	folder   = "lookup-model-"
	lockFile = "lock"
	database = "model.db"
	// The page cache of a connection; the system's own does the most.
	writerCacheKiB, readerCacheKiB = 256 << 10, 8 << 10
	// writerPatience is how long emptying the log waits for readers, readerPatience how long those wait for the moment in which it begins anew.
	writerPatience, readerPatience = 100 * time.Millisecond, 10 * time.Second
)

// store is a model's files: a SQLite database with one connection that writes, and some that read what was committed last.
type store struct {
	dir     string
	lock    *os.File
	writing *sql.DB
	reading *sql.DB
	// prepared are the statements of reading by their text: there are about a dozen.
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// openStore makes a new folder with an empty database in it, and removes those whose processes are dead.
func openStore(ctx context.Context, dir string) (_ *store, err error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if err := removeDead(dir); err != nil {
		return nil, err
	}
	s := &store{prepared: map[string]*sql.Stmt{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp(dir, folder); err != nil {
		return nil, fmt.Errorf("make the folder of the read model: %w", err)
	}
	if s.lock, err = os.OpenFile(filepath.Join(s.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("make the lock of the read model: %w", err)
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock the read model: %w", err)
	}
	if s.writing, err = s.connect(1, writerCacheKiB, writerPatience); err != nil {
		return nil, err
	}
	if _, err := s.writing.ExecContext(ctx, schema); err != nil {
		return nil, fmt.Errorf("create the read model: %w", err)
	}
	s.reading, err = s.connect(max(4, 2*runtime.GOMAXPROCS(0)), readerCacheKiB, readerPatience)
	return s, err
}

// connect opens the database. Pages are small, since most of what building writes are single numbers at random places, of which each costs a
// page in the log and one in the database. Nothing is synced to disk: the model is built anew by each process. What is deleted is overwritten.
func (s *store) connect(connections, cacheKiB int, patience time.Duration) (*sql.DB, error) {
	query := url.Values{"_pragma": {
		"journal_mode(wal)", "synchronous(off)", "secure_delete(on)", "temp_store(memory)", "wal_autocheckpoint(16384)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB), fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()),
	}}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, database)+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the read model: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// query runs a query, which is prepared once.
func (s *store) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return rows, nil
}

// statement prepares a query, once for all connections.
func (s *store) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if statement, ok := s.prepared[query]; ok {
		return statement, nil
	}
	statement, err := s.reading.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	s.prepared[query] = statement
	return statement, nil
}

// close closes the database and removes the folder.
func (s *store) close() error {
	var all []error
	for _, db := range []*sql.DB{s.reading, s.writing} {
		if db != nil {
			all = append(all, db.Close())
		}
	}
	if s.lock != nil {
		all = append(all, s.lock.Close())
	}
	if s.dir != "" {
		all = append(all, os.RemoveAll(s.dir))
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("close the read model: %w", err)
	}
	return nil
}

// size is how many bytes the files have.
func (s *store) size() int64 {
	var bytes int64
	for _, name := range []string{database, database + "-wal"} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// removeDead removes the models of processes that were killed, which hold personal data: those whose lock nobody holds.
func removeDead(dir string) error {
	locks, err := filepath.Glob(filepath.Join(dir, folder+"*", lockFile))
	if err != nil {
		return fmt.Errorf("look for dead read models: %w", err)
	}
	for _, name := range locks {
		if err := removeIfDead(name); err != nil {
			return err
		}
	}
	return nil
}

func removeIfDead(name string) error {
	lock, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil // Somebody else's, or removed meanwhile by its owner.
	}
	defer func() { _ = lock.Close() }()
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		return fmt.Errorf("remove a dead read model: %w", err)
	}
	return nil
}
