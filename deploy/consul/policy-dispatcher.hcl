# Beside policy-node.hcl, for nodes that may start events and put work into the inboxes of others: at least one node, better
# two or three that you trust most, or all of them. Their timer (metronome tick, or metronome agent) drives the steps of all.

# Which run holds a slot.
key_prefix "metronome/active/" {
  policy = "write"
}
key_prefix "metronome/inbox/" {
  policy = "write"
}
# An operator's word goes when its run ends.
key_prefix "metronome/control/" {
  policy = "write"
}
# When cron entries last fired, and when old results were last removed.
key_prefix "metronome/schedules/" {
  policy = "write"
}
