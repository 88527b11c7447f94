#!/bin/sh
# Stands for the real work: says what it does, takes so many seconds, and notes both ends in configured.log beside it.
set -eu

note() {
  echo "$METRONOME_EVENT_ID $METRONOME_TASK $1 $(date +%s%N | cut -c 1-13)" >>configured.log
}

note start
echo "Configuring the $1 on $METRONOME_NODE for event $METRONOME_EVENT"
sleep "$2"
note end
