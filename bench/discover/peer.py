# Copyright The quayside Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs occystrap's discovery against another server than quay.io.

usage: peer.py API_BASE NAMESPACE GLOB TAG THREADS
"""
import logging
import sys

from occystrap import quay

base, namespace, glob, tag, threads = sys.argv[1:]
quay.QUAY_API_BASE = base
logging.disable(logging.CRITICAL)
found = quay.resolve_quay_uri(namespace, glob, tag, max_workers=int(threads))
print(len(found))
