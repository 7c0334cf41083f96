#!/usr/bin/env python3
"""Random keys for some seconds, from a fixed seed; `make soak` presses them for ten minutes, from a new one (tests/soak/keys.py)."""
# variants: sanitized
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault('CULPRIT', os.path.join(ROOT, 'build/culprit'))
sanitized = 'san-' in os.environ['CULPRIT']
os.execvp('python3', ['python3', os.path.join(ROOT, 'tests/soak/keys.py'), '--seed', '1', '--seconds', '12' if sanitized else '4',
                      '--sessions', '12' if sanitized else '4', '--events', '150'])
