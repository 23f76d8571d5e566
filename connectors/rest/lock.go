package rest

import "sync"

// maxLocks bounds how many versions are remembered.
const maxLocks = 20_000

// lockCache remembers, per record, the version that the last Read or write showed:
// what the decision about it was based on. A listing is not remembered: it may have
// seen a later state than the one decided on, and would let us write over it.
type lockCache struct {
	mu   sync.Mutex
	max  int
	held map[string]string
	old  map[string]string // the generation before: dropped as a whole
}

func newLockCache(most int) *lockCache {
	return &lockCache{max: most / 2, held: map[string]string{}}
}

func (l *lockCache) put(object, id, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) >= l.max {
		l.old, l.held = l.held, map[string]string{}
	}
	l.held[object+"\x00"+id] = version
}

func (l *lockCache) get(object, id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := object + "\x00" + id
	if v, ok := l.held[key]; ok {
		return v
	}
	return l.old[key]
}

// drop forgets a version that was spent or refused.
func (l *lockCache) drop(object, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, object+"\x00"+id)
	delete(l.old, object+"\x00"+id)
}
