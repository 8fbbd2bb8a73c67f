"""TLS, mutual TLS, certificates that change on disk, and UNIX sockets."""

import asyncio
import contextlib
import datetime
import json
import os
import shutil
import subprocess

import grpc
import pytest

import serving
from serving import Client
from serving.client import main
from serving.server import tls

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def _openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority of the test, and what it signs."""

    def __init__(self, folder, name):
        folder.mkdir()
        self.folder, self.name = folder, name
        _openssl(
            *f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key"
            f" -out {name}.crt -days 2 -subj /CN={name}".split(),
            folder=folder,
        )

    @property
    def certificate(self):
        return (self.folder / f"{self.name}.crt").read_bytes()

    def sign(self, name):
        """Returns (key, certificate) of localhost."""
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        _openssl(
            *f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key"
            f" -out {name}.csr -subj /CN={name}".split(),
            folder=self.folder,
        )
        _openssl(
            *f"x509 -req -in {name}.csr -CA {self.name}.crt -CAkey {self.name}.key -CAcreateserial"
            f" -out {name}.crt -days 1 -extfile names".split(),
            folder=self.folder,
        )
        return tuple((self.folder / f"{name}.{kind}").read_bytes() for kind in ("key", "crt"))


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    return [Authority(folder / name, name) for name in ("one", "two")]


def _write(path, key, certificate, ca=None):
    lines = [f"server_key: {json.dumps(key.decode())}"]
    lines.append(f"server_cert: {json.dumps(certificate.decode())}")
    if ca is not None:
        lines += [f"custom_ca: {json.dumps(ca.decode())}", "client_verify: true"]
    path.write_text("\n".join(lines))
    stamp = datetime.datetime.now().timestamp()
    os.utime(path, (stamp, stamp + 1))


@contextlib.asynccontextmanager
async def _serve(path, extra=None):
    """A server that answers GetModelStatus with nothing, behind the credentials of `path`."""
    server = grpc.aio.server()

    async def status(request, context):
        return b""

    handlers = {"GetModelStatus": grpc.unary_unary_rpc_method_handler(status)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", handlers),)
    )
    port = server.add_secure_port("127.0.0.1:0", tls.credentials(str(path)))
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(0)


# Seconds for a call that succeeds, and for one that is refused, which is tried until its end.
PATIENCE, REFUSED = 60, 2


async def _ask(address, credentials=None, timeout=PATIENCE):
    def call():
        with Client(address, timeout=timeout, credentials=credentials) as client:
            return client.status("m")

    return await asyncio.to_thread(call)


def test_tls_and_its_refusals(authorities, tmp_path):
    """Plain text and a wrong CA are refused."""
    one, two = authorities
    _write(tmp_path / "ssl", *one.sign("server"))

    async def test():
        async with _serve(tmp_path / "ssl") as address:
            assert await _ask(address, grpc.ssl_channel_credentials(one.certificate)) == []
            for wrong in (None, grpc.ssl_channel_credentials(two.certificate)):
                with pytest.raises(serving.Unavailable):
                    await _ask(address, wrong, REFUSED)

    asyncio.run(test())


def test_mutual_tls(authorities, tmp_path):
    """A missing client certificate is refused."""
    one, two = authorities
    _write(tmp_path / "ssl", *one.sign("server"), ca=two.certificate)
    key, certificate = two.sign("client")

    async def test():
        async with _serve(tmp_path / "ssl") as address:
            known = grpc.ssl_channel_credentials(one.certificate, key, certificate)
            assert await _ask(address, known) == []
            with pytest.raises(serving.Unavailable):
                await _ask(address, grpc.ssl_channel_credentials(one.certificate), REFUSED)

    asyncio.run(test())


def test_mutual_tls_on_the_command_line(authorities, tmp_path):
    one, two = authorities
    _write(tmp_path / "ssl", *one.sign("server"), ca=two.certificate)
    two.sign("client")
    ca = f"--ca={one.folder / 'one.crt'}"
    caller = [f"--cert={two.folder / 'client.crt'}", f"--key={two.folder / 'client.key'}"]

    def run(address, timeout, *flags):
        try:
            return main(["status", "m", f"--server={address}", f"--timeout={timeout}", *flags])
        except SystemExit as end:
            return end.code

    async def test():
        async with _serve(tmp_path / "ssl") as address:
            assert await asyncio.to_thread(run, address, PATIENCE, ca, *caller) is None
            refused = await asyncio.to_thread(run, address, REFUSED, ca)
            assert refused.startswith(f"serving.client: A server must be answering at {address}")

    asyncio.run(test())


def test_a_certificate_that_changes_on_disk(authorities, tmp_path, capfd):
    one, two = authorities
    _write(tmp_path / "ssl", *one.sign("server"))

    async def test():
        async with _serve(tmp_path / "ssl") as address:
            assert await _ask(address, grpc.ssl_channel_credentials(one.certificate)) == []
            (tmp_path / "ssl").write_text("half a file {")
            assert await _ask(address, grpc.ssl_channel_credentials(one.certificate)) == []
            _write(tmp_path / "ssl", *two.sign("server"))
            assert await _ask(address, grpc.ssl_channel_credentials(two.certificate)) == []
            with pytest.raises(serving.Unavailable):
                await _ask(address, grpc.ssl_channel_credentials(one.certificate), REFUSED)

    asyncio.run(test())
    assert "error certificates" in capfd.readouterr().err
