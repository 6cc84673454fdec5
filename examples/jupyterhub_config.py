"""A JupyterHub whose users run every cell in a sandbox: `jupyterhub --config jupyterhub_config.py`.

kernel/hub.md tells how to install what this file names. Authenticator and spawner are yours to choose: as the file is, users are those of
this machine (PAM), and each one's server runs as that user.
"""

c = get_config()  # noqa: F821: JupyterHub defines it

# Made by: cellblock install --as python3 --display-name "Python 3" --prefix /opt/cellblock-hub --python /opt/jupyterhub/bin/python
# Jupyter looks here first, so "python3", the kernel that notebooks name, is the sandboxed one for all users.
c.Spawner.environment = {"JUPYTER_PATH": "/opt/cellblock-hub/share/jupyter"}

# A home isn't shown to cells, since keys lie in it, so notebooks have a folder of their own, which the user's own shell makes.
c.Spawner.notebook_dir = "~/notebooks"
c.Spawner.cmd = ["sh", "-c", 'mkdir -p ~/notebooks && cd ~/notebooks && exec jupyterhub-singleuser "$@"', "jupyterhub-singleuser"]

# Nothing else in a user's server starts programs: no other kernel, no terminal.
c.Spawner.args = ["--KernelSpecManager.allowed_kernelspecs=python3", "--KernelSpecManager.ensure_native_kernel=False",
                  "--ServerApp.terminals_enabled=False"]
