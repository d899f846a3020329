"""The words that Tidegate has for the rights that a device can ask for."""

READ = "operator.read"
WRITE = "operator.write"
ADMIN = "operator.admin"
PAIRING = "operator.pairing"
APPROVALS = "operator.approvals"

SENTENCES = {
    ADMIN: "Full control: settings, sessions, agents, and decisions about commands and files. "
    "Not included: managing pairing.",
    PAIRING: "Manage pairing: approve devices and programs, with at most its own permissions.",
    APPROVALS: "Decide about commands that agents want to run, and about files outside their workspace.",
    WRITE: "Talk to agents: send messages, start and stop runs; name and archive sessions.",
    READ: "Look: sessions, conversations, models and logs.",
}

LEVEL_READ = "Read only: see everything, change nothing."
LEVEL_WRITE = "Read and write: see everything, and talk to agents."
LEVEL_FULL = "Full: see everything, talk to agents, change sessions and settings, decide about commands and files."
