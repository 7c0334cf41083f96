#!/bin/bash
# culprit flame: other tools' profiles in, every format out, read by who is meant to read it where that is here.
# variants: sanitized
cd "$(dirname "$0")/.." || exit 1
culprit=${CULPRIT:-build/culprit}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. tests/support/checks.sh
has() { grep -qF -- "$1" "$2"; }
same() { cmp -s "$1" "$2"; }

cat > "$dir/a.folded" <<'TEXT'
main;idle_[k] 15
main;work;burn 50
main;work;burn;<T as "x">::f&c 5
main;work;spin 30
TEXT
cat > "$dir/b.folded" <<'TEXT'
main;work;burn 20
main;work;spin 60
main;gone 20
TEXT
printf 'my proc   7/9  1.5:  1 cycles: \n\t  ff do_work+0x19 ([kernel.kallsyms])\n\t  7f main+0x1 (/bin/x)\n\n' > "$dir/perf.txt"

check "folded in, folded out" status 0 "$culprit" flame --import "$dir/a.folded" --format folded
check "is the same" same "$dir/out" "$dir/a.folded"
check "text" status 0 "$culprit" flame --import "$dir/a.folded"
check "says shares" has "50.0%   55.0%  burn" "$dir/out"
check "inverted" status 0 "$culprit" flame --import "$dir/a.folded" --inverted --format folded
check "begins at the innermost" has "burn;work;main 50" "$dir/out"
check "perf script" status 0 "$culprit" flame --import "$dir/perf.txt" --by thread --format folded
check "with its thread" has "my proc;main;do_work_[k] 1" "$dir/out"
check "standard input" sh -c '"$1" flame --import - --format folded < "$2" > "$3/out"' - "$culprit" "$dir/a.folded" "$dir"
check "is the same, too" same "$dir/out" "$dir/a.folded"

check "into a recording" status 0 "$culprit" flame --import "$dir/a.folded" -o "$dir/a.rec"
check "which is whole" status 0 "$culprit" info "$dir/a.rec"
check "and has the stacks" status 0 "$culprit" flame "$dir/a.rec" --format folded
check "the same ones" same "$dir/out" "$dir/a.folded"
check "names in JSON" sh -c '"$1" dump profile "$2" --json | grep -q "\"name\":\"burn\""' - "$culprit" "$dir/a.rec"
check "a file that exists stays" status 1 "$culprit" flame --import "$dir/a.folded" -o "$dir/a.rec"

check "compared" status 0 "$culprit" flame --import "$dir/a.folded" --baseline "$dir/b.folded"
check "what grew" has "50.0%  +30.0%   55.0%  burn" "$dir/out"
check "what vanished" has "0.0%  -20.0%   gone" "$dir/out"
check "two columns" status 0 "$culprit" flame --import "$dir/a.folded" --baseline "$dir/b.folded" --format folded
check "before and now" has "main;work;spin 60 30" "$dir/out"

check "a wrong format" status 2 "$culprit" flame --import "$dir/a.folded" --format pdf
check "no stacks in it" status 1 "$culprit" flame --import /dev/null
check "no such file" status 1 "$culprit" flame --import "$dir/none"
check "a recording without stacks" status 2 "$culprit" flame --table nothing "$dir/a.rec"
check "not without a file" status 2 "$culprit" flame --import
printf 'a;b 1\nnonsense\n' > "$dir/c.folded"
check "lines that are none" status 0 "$culprit" flame --import "$dir/c.folded"
check "are told" has "1 line " "$dir/err"
printf 'a\033[31m;b\377c 1\n' > "$dir/d.folded"
check "hostile names" status 0 "$culprit" flame --import "$dir/d.folded"
check "reach no terminal" sh -c '! grep -q "$(printf "\033")" "$1"' - "$dir/out"

for base in "" "$dir/b.folded"; do
	for format in speedscope pprof svg; do
		check "$format ${base:+with a baseline}" status 0 "$culprit" flame --import "$dir/a.folded" --format $format \
			${base:+--baseline "$base"} -o "$dir/a.$format${base:+.base}"
	done
done
check "hostile speedscope" status 0 "$culprit" flame --import "$dir/d.folded" --format speedscope -o "$dir/d.speedscope"
check "hostile SVG" status 0 "$culprit" flame --import "$dir/d.folded" --format svg -o "$dir/d.svg"
check "SVG is well-formed" python3 -c 'import sys, xml.dom.minidom
for f in sys.argv[1:]: xml.dom.minidom.parse(f)' "$dir/a.svg" "$dir/a.svg.base" "$dir/d.svg"
check "SVG fetches nothing" sh -c '! grep -oE "(href|src|url\()[^>]*http|https?://[^\" ]*" "$1" | grep -v www.w3.org | grep -q .' - "$dir/a.svg"

# Real readers: the packages that define and read these formats, put into build/ once.
readers=build/readers
if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
	skip "speedscope and pprof readers: node and npm are not here"
elif ! { [ -d $readers/node_modules/speedscope ] && [ -d $readers/node_modules/pprof-format ] && [ -d $readers/node_modules/ajv ]; } &&
	! { mkdir -p $readers && (cd $readers && echo '{"private":true}' > package.json &&
		timeout 120 npm install --no-audit --no-fund --ignore-scripts speedscope@1 pprof-format@2 ajv@6 > npm.log 2>&1); }; then
	skip "speedscope and pprof readers: npm could not install them (offline?)"
else
	cat > "$dir/read.js" <<'JS'
const fs = require('fs'), path = require('path'), dir = process.argv[2], modules = path.resolve(process.argv[3], 'node_modules');
const fail = text => { console.log('failed: ' + text); process.exit(1); };
const Ajv = require(path.join(modules, 'ajv')), ajv = new Ajv({schemaId: 'auto', unknownFormats: 'ignore', logger: false});
const release = path.join(modules, 'speedscope/dist/release');
const name = fs.readdirSync(release).find(n => n.startsWith('file-format-schema'));
const schema = JSON.parse(fs.readFileSync(path.join(release, name)));
delete schema.$schema;
const valid = ajv.compile(schema);
for (const file of ['a.speedscope', 'a.speedscope.base', 'd.speedscope']) {
	const profile = JSON.parse(fs.readFileSync(path.join(dir, file)));
	if (!valid(profile)) fail(file + ': ' + JSON.stringify(valid.errors));
	for (const p of profile.profiles) {
		if (p.samples.length !== p.weights.length || p.weights.reduce((a, b) => a + b, 0) !== p.endValue) fail(file + ': weights');
		if (p.samples.flat().some(i => !(i < profile.shared.frames.length))) fail(file + ': frames');
	}
}
const first = JSON.parse(fs.readFileSync(path.join(dir, 'a.speedscope'))), at = first.profiles[0];
const stacks = at.samples.map((s, i) => s.map(k => first.shared.frames[k].name).join(';') + ' ' + at.weights[i]);
if (!stacks.includes('main;work;burn 50') || stacks.length !== 4) fail('speedscope: ' + stacks);
const {Profile} = require(path.join(modules, 'pprof-format'));
for (const file of ['a.pprof', 'a.pprof.base']) {
	const p = Profile.decode(fs.readFileSync(path.join(dir, file))), s = i => p.stringTable.strings[Number(i)];
	const functions = new Map(p.function.map(f => [Number(f.id), s(f.name)]));
	const locations = new Map(p.location.map(l => [Number(l.id), functions.get(Number(l.line[0].functionId))]));
	const read = p.sample.map(x => x.locationId.map(l => locations.get(Number(l))).reverse().join(';') + ' ' + Number(x.value[0]));
	if (!read.includes('main;work;burn 50')) fail(file + ': ' + read);
	if (p.sampleType.map(t => s(t.type))[0] !== 'samples' || p.sampleType.length !== p.sample[0].value.length) fail(file + ': types');
}
JS
	check "speedscope's schema and pprof-format take them" node "$dir/read.js" "$dir" $readers
fi

end
