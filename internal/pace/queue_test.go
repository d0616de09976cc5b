// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"fmt"
	"strings"
	"testing"
)

func TestQueueKeepsTheOrderOfArrival(t *testing.T) {
	for _, c := range []struct {
		name string
		come string // check or listing, with its number
		want string
	}{
		{"in turn", "c1 c2 c3", "c1 c2 c3"},
		{"one that comes again is older", "c2 c3 c1", "c1 c2 c3"},
		{"a listing goes first", "c1 c2 l3", "l3 c1 c2"},
		{"but only every second time", "c1 c2 c3 l4 l5 l6", "l4 c1 l5 c2 l6 c3"},
		{"listings alone", "l2 l1", "l1 l2"},
	} {
		var q queue
		for _, f := range strings.Fields(c.come) {
			j := &job{kind: kind{listing: f[0] == 'l'}}
			fmt.Sscan(f[1:], &j.number)
			q.push(j)
		}
		got := ""
		for j := q.head(); j != nil; j = q.head() {
			if !q.remove(j) || q.remove(j) {
				t.Fatalf("%s: a job is in the queue once", c.name)
			}
			got += map[bool]string{false: " c", true: " l"}[j.kind.listing] + fmt.Sprint(j.number)
		}
		if got != " "+c.want || q.length() != 0 {
			t.Errorf("%s: got%s, want %s", c.name, got, c.want)
		}
	}
}
