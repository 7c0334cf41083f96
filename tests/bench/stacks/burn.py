"""Burns in the interpreter: recursion, JSON, sorting, regular expressions."""
import json
import re

WORDS = re.compile(r'(\w+)-(\d+)')


def deep(n):
    return deep(n - 1) + 1 if n else sum(i * i for i in range(200))


def encodes():
    return json.loads(json.dumps({'a': [{'b': i, 'c': 'text %d' % i} for i in range(50)]}))


def sorts():
    return sorted((str(i * 7919 % 1000) for i in range(500)), key=lambda s: s[::-1])


def matches():
    return [WORDS.match('word-%d' % i).group(2) for i in range(100)]


while True:
    deep(20)
    encodes()
    sorts()
    matches()
