"""What a README has operators write under [server] of an enclave, and the relay's file that it goes with."""

import re
import tomllib

# Of the images' command lines: enclave.Dockerfile, deploy/eif/build.sh.
CONFIGURATION_PORT = 5001


def mismatches(readme, file):
    """What `file`, the relay's, says otherwise than the README's [server] and the image."""
    block = re.search(r"```toml\n(\[server\]\n.*?)```", readme, re.DOTALL)
    if not block:
        return ["README.md: no [server] table"]
    server = tomllib.loads(block[1])["server"]
    errors = []
    if file.get("proxy_protocol", False) != server.get("proxy_protocol", False):
        errors.append("parent-proxy.toml: proxy_protocol is not what README.md has the enclave expect")
    for key, port in (("log_listen", server["log_endpoint"].rpartition(":")[2]), ("config_listen", CONFIGURATION_PORT)):
        if file.get(key) != f"vsock:4294967295:{port}":
            errors.append(f"parent-proxy.toml: {key} is not where enclaves connect, vsock port {port}")
    return errors
