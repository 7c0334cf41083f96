#!/bin/sh
# usage: scripts/deb.sh VERSION ROOT OUT
#
# The second half of `make deb`: makes the Debian package OUT of what `make install` put below ROOT. Needs dpkg-deb and
# dpkg-shlibdeps (package dpkg-dev), not root. What goes into it beside that stands in scripts/deb/. The same tree gives the
# same bytes: times are those of the changelog. Who stands behind it: DEBFULLNAME and DEBEMAIL, as Debian's tools know who packages;
# else those of the changelog, whose address is one that nobody has.
set -e
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
version=$1 root=$(cd "$2" && pwd) out=$3
fail() {
	echo "make deb: $1" >&2
	exit 1
}
for tool in dpkg dpkg-deb dpkg-shlibdeps dpkg-parsechangelog; do
	command -v $tool >/dev/null || fail "there is no $tool here; a Debian package is made on Debian or Ubuntu: apt-get install dpkg-dev"
done
said=$(dpkg-parsechangelog -l "$here/deb/changelog" -S Version)
[ "$said" = "$version" ] || fail "scripts/deb/changelog is of version $said, the Makefile of $version: write what changed"
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$here/deb/changelog" -S Timestamp)
export SOURCE_DATE_EPOCH
umask 022

doc=$root/usr/share/doc/culprit
# Debian has it in /usr/share/common-licenses.
rm -f "$doc/LICENSE"
install -m 644 "$here/deb/copyright" "$doc/copyright"
gzip -9n <"$here/deb/changelog" >"$doc/changelog.gz"
gzip -9nf "$root"/usr/share/man/man*/*.[0-9]
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/culprit"

# dpkg-shlibdeps wants to see a source package.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/debian"
printf 'Source: culprit\n\nPackage: culprit\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e"$root/usr/bin/culprit" 2>"$work/said") || fail "$(cat "$work/said")"
maintainer=$(dpkg-parsechangelog -l "$here/deb/changelog" -S Maintainer)
name=${DEBFULLNAME:-${maintainer% <*}} address=${DEBEMAIL:-${maintainer##*<}}
maintainer="$name <${address%>}>"
case $maintainer in *'|'*|*\\*|*'&'*|*'
'*) fail "DEBFULLNAME and DEBEMAIL may not hold | \\ & or a line's end" ;; esac
mkdir -p "$root/DEBIAN"
sed "s|@version@|$version|; s|@arch@|$(dpkg --print-architecture)|; s|@size@|$(du -sk --apparent-size "$root/usr" | cut -f1)|
	s|@maintainer@|$maintainer|; s|@depends@|${depends#shlibs:Depends=}|" "$here/deb/control.in" >"$root/DEBIAN/control"
install -m 755 "$here/deb/postinst" "$here/deb/prerm" "$here/deb/postrm" "$root/DEBIAN"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf "%P\\0" | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
echo "$out"
