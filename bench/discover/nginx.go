// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// frontTemplate is a front end as doc/quay-api.md section 6 describes it,
// written for this benchmark: TLS, HTTP/2 if asked for, a limit on /api/,
// connections that end after 1,000 requests and after 5 s idle.
const frontTemplate = `worker_processes 1;
daemon off;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log crit;
events { worker_connections 4096; }
http {
  log_format facts '$connection $status $server_protocol $request_time';
  access_log {{.Dir}}/access.log facts buffer=64k flush=1s;
  client_body_temp_path {{.Dir}}; proxy_temp_path {{.Dir}}; fastcgi_temp_path {{.Dir}};
  uwsgi_temp_path {{.Dir}}; scgi_temp_path {{.Dir}};
{{- if .Rate}}
  limit_req_zone {{if .ByAddress}}$binary_remote_addr{{else}}$connection{{end}} zone=api:10m rate={{.Rate}}r/s;
  limit_req_status 429;
{{- end}}
  upstream quay { server {{.Backend}}; keepalive 128; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:{{.Port}} ssl{{if .HTTP2}} http2{{end}};
    ssl_certificate {{.Dir}}/leaf.pem;
    ssl_certificate_key {{.Dir}}/leaf.key;
    keepalive_timeout 5;
    keepalive_requests 1000;
    location / {
{{- if .Rate}}
      limit_req zone=api burst={{.Burst}} nodelay;
{{- end}}
{{- if not .HTTP2}}
      keepalive_timeout 0;
{{- end}}
      proxy_pass http://quay;
      proxy_max_temp_file_size 0;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
  }
}
`

// A frontConfig is one scenario's front end.
type frontConfig struct {
	Dir, Backend string
	Port         int
	HTTP2        bool
	ByAddress    bool // the limit is for an address, not for each connection
	Rate, Burst  int  // requests a second and burst; no limit when Rate is 0
}

// A front is a running nginx.
type front struct {
	cmd    *exec.Cmd
	config frontConfig
}

func startFront(ctx context.Context, c frontConfig) (*front, error) {
	if err := writeConfig(c); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nginx", "-c", filepath.Join(c.Dir, "nginx.conf"), "-p", c.Dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx (install it from your distribution): %w", err)
	}
	f := &front{cmd: cmd, config: c}
	return f, f.waitReady(ctx)
}

func writeConfig(c frontConfig) error {
	var text bytes.Buffer
	if err := template.Must(template.New("nginx").Parse(frontTemplate)).Execute(&text, c); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Dir, "nginx.conf"), text.Bytes(), 0o600)
}

func (f *front) waitReady(ctx context.Context) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(f.config.Port))
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("nginx does not listen on %s: %w", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// setRate changes the limit of the running front end, as an operator would.
func (f *front) setRate(rate, burst int) error {
	f.config.Rate, f.config.Burst = rate, burst
	if err := writeConfig(f.config); err != nil {
		return err
	}
	return exec.Command("nginx", "-c", filepath.Join(f.config.Dir, "nginx.conf"), "-p", f.config.Dir, "-s", "reload").Run()
}

// A tally holds the counts of the front end for one run.
type tally struct {
	requests, refused, dials int
	median                   time.Duration // time of the server for a request
}

// stop ends nginx and reads its log.
func (f *front) stop() (tally, error) {
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		return tally{}, err
	}
	_ = f.cmd.Wait() // nginx ends with an interrupt, which Wait returns as an error
	file, err := os.Open(filepath.Join(f.config.Dir, "access.log"))
	if err != nil {
		return tally{}, err
	}
	defer file.Close()
	var t tally
	connections := map[string]bool{}
	var took []time.Duration
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 {
			continue
		}
		t.requests++
		connections[fields[0]] = true
		if fields[1] == "429" {
			t.refused++
		}
		if d, err := time.ParseDuration(fields[3] + "s"); err == nil {
			took = append(took, d)
		}
	}
	t.dials = len(connections)
	if len(took) > 0 {
		t.median = median(took)
	}
	return t, nil
}
