# For people: fire, status, history, logs, cancel, approve, rerun, gc. Cannot touch an inbox or what a node reports.

agent_prefix "" {
  policy = "read"
}
node_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}

key_prefix "metronome/" {
  policy = "read"
}
key_prefix "metronome/event_queue/" {
  policy = "write"
}
key_prefix "metronome/control/" {
  policy = "write"
}
# A queued event that is cancelled gets its result at once; gc removes old ones.
key_prefix "metronome/results/" {
  policy = "write"
}

# Only for `metronome fire --consul-event`.
event_prefix "" {
  policy = "write"
}
