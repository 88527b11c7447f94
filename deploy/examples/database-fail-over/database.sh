#!/bin/sh
# Stands for the real work: pg_ctl promote and the like.
set -eu
echo "$METRONOME_NODE $1" >>fail-over.log
echo "database: $1 on $METRONOME_NODE"
