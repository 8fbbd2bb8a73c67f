"""Whether a port can be had. No TensorFlow here: a wrong one is told before models are loaded."""

import socket

from serving.server.status import StartError


def check_port(host: str, port: int) -> None:
    """Raises `StartError` if nobody can listen at `host`:`port` now; 0 stands for a free port."""
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind) as probe:
            # As gRPC does: connections that have just ended are not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise not_free(host, port) from error


def not_free(host: str, port: int) -> StartError:
    """The error of an address that cannot be listened on."""
    address = f"[{host}]" if ":" in host else host
    return StartError(
        f"--host and --port must be free to listen on. Received: {address}:{port}, which is in"
        " use or is not an address of this machine; choose another --port"
    )
