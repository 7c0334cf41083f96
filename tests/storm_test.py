#!/usr/bin/env python3
"""A storm of task switches and processes for some seconds; `make soak` has a minute of it (tests/soak/storm.py)."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.execvp('python3', ['python3', os.path.join(ROOT, 'tests/soak/storm.py'), '--seconds', '3'])
