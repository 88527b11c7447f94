#!/bin/sh
# Stands for the real work: the package manager before the reboot, uname -r after it.
set -eu
echo "$METRONOME_NODE $1" >>kernel.log
echo "kernel: $1 on $METRONOME_NODE"
