#!/bin/sh
# Stands for the real work. The version that a node has is a line in a file beside it; a version that ends in "-broken" does not start.
set -eu
version=${METRONOME_DATA_VERSION:-unknown}
current="version-$METRONOME_NODE"
previous="previous-$METRONOME_NODE"

case $1 in
  update)
    # A further attempt must not take the new version for the previous one.
    [ "$(cat "$current" 2>/dev/null)" = "$version" ] || cp "$current" "$previous" 2>/dev/null || echo none >"$previous"
    echo "$version" >"$current"
    case $version in *-broken)
      echo "version $version does not start" >&2
      exit 1 ;;
    esac ;;
  roll-back)
    # A server that the deploy did not reach has nothing to go back from.
    [ "$(cat "$current")" != "$version" ] || mv "$previous" "$current" ;;
esac
echo "$1 $version on $METRONOME_NODE"
