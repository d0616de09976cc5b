// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"sync"
)

// A hostQueues holds the blobs to fetch, in two queues for each host. Each queue has its
// own workers, so that a host that does not answer blocks only its own workers. Safe for concurrent use.
type hostQueues struct {
	startWorkers func(heavy, light *queue[*blob]) // for the queues of a host

	mu     sync.Mutex
	hosts  map[string][2]*queue[*blob]
	closed bool
}

// push adds a blob to the queue of its host and size.
func (l *hostQueues) push(host string, b *blob) {
	l.mu.Lock()
	pair, known := l.hosts[host]
	if l.closed {
		l.mu.Unlock()
		return
	}
	if !known {
		pair = [2]*queue[*blob]{
			newQueue(func(a, b *blob) bool { return a.Size > b.Size }),
			newQueue[*blob](nil),
		}
		l.hosts[host] = pair
		l.startWorkers(pair[0], pair[1])
	}
	l.mu.Unlock()
	if b.Size <= lightBuffer {
		pair[1].push(b)
	} else {
		pair[0].push(b)
	}
}

// close closes all queues, and queues that are added later.
func (l *hostQueues) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, pair := range l.hosts {
		pair[0].close()
		pair[1].close()
	}
}
