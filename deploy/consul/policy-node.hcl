# What metronome on the node NODE_NAME needs to take events and to do its work. One policy and one token for each node.
# Without policy-dispatcher.hcl beside it the node cannot put work into another node's inbox: it leaves that to nodes that can.

# Its own name, and who has which service.
agent "NODE_NAME" {
  policy = "read"
}
node_prefix "" {
  policy = "read"
}
service_prefix "" {
  policy = "read"
}

# The session that holds the claim on its task.
session "NODE_NAME" {
  policy = "write"
}

# Consul's event watch; only the agent's own token needs it.
event_prefix "" {
  policy = "read"
}

key_prefix "metronome/" {
  policy = "read"
}
# push
key_prefix "metronome/event_queue/" {
  policy = "write"
}
# Its inbox, and no other.
key_prefix "metronome/inbox/NODE_NAME/" {
  policy = "write"
}
# What became of its tasks. A key here has the node's name last, so no prefix can keep nodes apart.
key_prefix "metronome/progress_task_queue/" {
  policy = "write"
}
key_prefix "metronome/results/" {
  policy = "write"
}
