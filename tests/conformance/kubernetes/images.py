"""Images of a root filesystem that is a tar file, without a registry or a builder."""

import hashlib
import io
import json
import os
import tarfile

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pack_images(layer, archive, commands):
    """A Docker archive with an image for each of {name: command}, all of the one layer."""
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = []
    with tarfile.open(archive, "w") as whole:
        def add(name, content):
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            whole.addfile(info, io.BytesIO(data))
        for number, (name, command) in enumerate(commands.items()):
            add("%d.json" % number, {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine),
                                     "os": "linux", "config": {"Cmd": command, "Env": ["PATH=" + SYSTEM_PATH]},
                                     "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}})
            manifest.append({"Config": "%d.json" % number, "RepoTags": [name], "Layers": ["layer.tar"]})
        whole.add(layer, "layer.tar")
        add("manifest.json", manifest)
