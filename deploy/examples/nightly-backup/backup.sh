#!/bin/sh
# Stands for the real work: pg_dump, a copy to another place, and the end of what is old.
set -eu
echo "$METRONOME_NODE $1 ${METRONOME_DATA_KIND:-}" >>backup.log
echo "backup: $1 ${METRONOME_DATA_KIND:-} on $METRONOME_NODE"
