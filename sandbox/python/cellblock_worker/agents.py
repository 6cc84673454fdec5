"""What a warden starts beside the worker, to serve the host: for files, for commands."""


def agent_of(argument):
    """The module of what a warden starts beside the worker, by the argument that it gives; None: it is the worker."""
    if argument == "--files":
        from . import file_agent
        return file_agent
    if argument == "--commands":
        from . import command_agent
        return command_agent
    return None
