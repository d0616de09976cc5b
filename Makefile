# Copyright The quayside Authors.
# SPDX-License-Identifier: Apache-2.0

.PHONY: check test race fuzz docs bench bench-copy bench-discover bench-memory bench-startup

check: ; .ci/run
test: ; go test ./...
race: ; CGO_ENABLED=1 go test -race ./...
fuzz: ; .ci/fuzz 30s
docs: ; go run ./internal/docgen
bench: bench-memory bench-startup bench-discover bench-copy
bench-copy: ; go run ./bench/copy
bench-discover: ; go run ./bench/discover
bench-memory: ; go run ./bench/memory
bench-startup: ; go run ./bench/startup
