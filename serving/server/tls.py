"""TLS from TF Serving's SSLConfig; certificates that change on disk are taken up."""

from pathlib import Path

import grpc

from serving.server.logs import log
from serving.server.status import StartError
from serving.server.text_files import Certificates, read_ssl


def credentials(path: str) -> grpc.ServerCredentials:
    """Returns the credentials that `--ssl_config_file` describes.

    The file is read again when it has changed, before the next connection. One that cannot be
    read is reported, and the last good one goes on.

    Raises:
        StartError: the file cannot be read.
    """
    certificates = read_ssl(path)
    changed = _change_time(path)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal changed
        now = _change_time(path)
        if now == changed:
            return None
        changed = now
        try:
            fresh = read_ssl(path)
        except StartError as error:
            log("error", "certificates", message=str(error))
            return None
        log("info", "certificates", message="read again", path=path)
        return _configuration(fresh)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(certificates), fetch, certificates.client_verify
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.chain)], certificates.ca
    )


def _change_time(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return -1
