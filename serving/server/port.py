"""Whether a port is free. No TensorFlow here: it is checked before models are loaded."""

import socket

from serving.server.status import StartError


def check_port(host: str, port: int, flag: str = "--port") -> None:
    """Raises `StartError` if `host`:`port` is not free to listen on; port 0 takes a free one."""
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind) as probe:
            # As in gRPC: connections that have just ended do not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise not_free(host, port, flag) from error


def not_free(host: str, port: int, flag: str = "--port") -> StartError:
    """The error of an address that cannot be listened on."""
    address = f"[{host}]" if ":" in host else host
    return StartError(
        f"--host and {flag} must be free to listen on. Received: {address}:{port}, which is in"
        f" use or is not an address of this machine; choose another {flag}"
    )
