"""Compares the [server] table that a README prescribes for enclaves with the relay's configuration."""

import re
import tomllib

# From the command lines of the images: enclave.Dockerfile, deploy/eif/build.sh.
CONFIGURATION_PORT = 5001


def mismatches(readme, file):
    """Returns the settings of `file`, the relay's configuration, that contradict the README's [server] or the image."""
    block = re.search(r"```toml\n(\[server\]\n.*?)```", readme, re.DOTALL)
    if not block:
        return ["README.md has no [server] table"]
    server = tomllib.loads(block[1])["server"]
    errors = []
    if file.get("proxy_protocol", False) != server.get("proxy_protocol", False):
        errors.append("parent-proxy.toml: proxy_protocol differs from the enclave's in README.md")
    for key, port in (("log_listen", server["log_endpoint"].rpartition(":")[2]), ("config_listen", CONFIGURATION_PORT)):
        if file.get(key) != f"vsock:4294967295:{port}":
            errors.append(f"parent-proxy.toml: {key} is not the vsock port {port} that enclaves connect to")
    return errors
