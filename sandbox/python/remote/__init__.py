"""What an engine's command is sent through its stdin: the remote end of the relay, and the warden in it."""
