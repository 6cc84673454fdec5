"""A kernel provisioner: starts any kernelspec's kernel in a sandbox, whatever language it is for.

With `JUPYTER_DEFAULT_PROVISIONER_NAME=cellblock` in its environment, a Jupyter server starts all its kernels so; a kernelspec alone does
by `"metadata": {"kernel_provisioner": {"provisioner_name": "cellblock"}}` in its kernel.json. $CELLBLOCK_KERNEL_POLICY names the policy,
by default `notebook`. The walls are cellblock's; its deadlines for cells and its cleaning of outputs are the kernel cellblock's alone.
"""
from __future__ import annotations

import os
import sys
from typing import Any, Dict

from jupyter_client.provisioning import LocalProvisioner


class CellblockProvisioner(LocalProvisioner):
    """The process that Jupyter starts and signals passes all on to the kernel inside (sandboxed_kernel.py)."""

    async def pre_launch(self, **kwargs: Any) -> Dict[str, Any]:
        prepared = await super().pre_launch(**kwargs)
        manager = self.parent
        environment = dict(prepared.get("env") or os.environ)
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
        variables = [word for name in sorted(self.kernel_spec.env or {}) for word in ("--env", name)]
        prepared["env"] = environment
        prepared["cmd"] = [sys.executable, "-m", "cellblock.sandboxed_kernel", "--connection-file", manager.connection_file,
                           *variables, "--", *prepared["cmd"]]
        return prepared
