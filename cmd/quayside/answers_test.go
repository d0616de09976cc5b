// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// startAnswers starts a server that answers every request with the bytes of a file.
func startAnswers(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: answers NAME FILE")
	}
	answer := strings.ReplaceAll(ts.ReadFile(args[1]), "\n", "\r\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	var group sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			group.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					auth := cmp.Or(req.Header.Get("Proxy-Authorization"), req.Header.Get("Authorization"))
					if _, err := conn.Write([]byte(strings.ReplaceAll(answer, "{auth}", auth))); err != nil {
						return
					}
				}
			})
		}
	})
	ts.Defer(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	ts.Setenv(args[0], l.Addr().String())
}
