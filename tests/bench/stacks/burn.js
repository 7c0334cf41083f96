// Burns in node: compiled code, builtins, the collector of garbage, the parser of JSON.
'use strict';
function deep(n) { return n ? deep(n - 1) + 1 : sums(); }
function sums() { let s = 0; for (let i = 0; i < 20000; i++) s = (s * 31 + i) | 0; return s & 1; }
function objects() { const m = new Map(); for (let i = 0; i < 2000; i++) m.set('k' + i % 300, { i, a: [i] }); return m.size; }
function sorts() { return Array.from({ length: 2000 }, (_, i) => (i * 7919) % 1000).sort((a, b) => a - b)[5]; }
function text() { return JSON.parse(JSON.stringify({ a: Array.from({ length: 200 }, (_, i) => ({ i, s: 'x' + i })) })).a.length; }
let sink = 0;
for (;;) {
	for (let i = 0; i < 50; i++) sink += deep(30);
	for (let i = 0; i < 5; i++) sink += objects() + sorts() + text();
}
