#!/bin/sh
# Writes the pins of the demo's HTML sources: `<sha256>  <path>`, the path relative to the
# toolchain's share/doc/rust/html, sorted, as `sha256sum` prints them.
#
# A book's pages are those that its own table of contents (toc.html) links to. That leaves out what
# lies beside them: stubs that redirect, print.html, old editions, translations, index.html (a copy
# of the first page).
#
#   sh examples/demo/pin.sh                 # rewrites the two pin files from the pinned toolchain
#
# Run it only when rust-toolchain.toml moves: new pins are new data, and so another model.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
html=$(cd "$here" && rustc --print sysroot)/share/doc/rust/html
[ -d "$html/book" ] || {
    echo "no rust-docs in this toolchain; try: rustup component add rust-docs" >&2
    exit 1
}

pin() { # OUTPUT BOOK...
    output=$1
    shift
    (
        cd "$html"
        for book in "$@"; do
            grep -o 'href="[^"#:]*\.html"' "$book/toc.html" | sed "s|^href=\"|$book/|; s|\"\$||"
        done | sort -u | xargs sha256sum
    ) >"$output.new"
    mv "$output.new" "$output"
    echo "$output: $(wc -l <"$output") pages"
}

pin "$here/rust-docs.sha256" \
    book reference nomicon rust-by-example cargo rustc rustdoc edition-guide style-guide error_codes
pin "$here/embedded-book.sha256" embedded-book
