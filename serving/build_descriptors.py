"""Rebuilds `serving/tf_serving_api.binpb` from the installed tensorflow-serving-api, and
`serving/open_inference.binpb` from `serving/open_inference.proto`.

    python -m serving.build_descriptors

The first is a `FileDescriptorSet` of TF Serving's PredictionService and ModelService and of all
that they import. The client reads it in place of the generated modules, which would pull in all
of TensorFlow. Needs the `test` extra; run it after an upgrade of tensorflow-serving-api.
"""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf import descriptor_pb2

PATH = Path(__file__).with_name("tf_serving_api.binpb")
OPEN_INFERENCE_PATH = Path(__file__).with_name("open_inference.binpb")
NOTICE_PATH = Path(__file__).with_name("LICENSE-tf_serving_api.txt")

_NOTICE = """\
serving/tf_serving_api.binpb holds compiled protocol buffer definitions of TensorFlow,
TensorFlow Serving and Protocol Buffers, unchanged.

TensorFlow and TensorFlow Serving: Copyright The TensorFlow Authors and Google Inc.,
licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
(its text is in this project's LICENSE file).
google/protobuf/*.proto: Copyright Google Inc., licensed under the BSD 3-Clause licence:
https://github.com/protocolbuffers/protobuf/blob/main/LICENSE

Built by `python -m serving.build_descriptors` from:
tensorflow {tensorflow}
tensorflow-serving-api {serving_api}
"""


def build() -> bytes:
    """Returns the serialized `FileDescriptorSet`, imported files before those that import them."""
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    files = {}

    def add(file):
        if file.name not in files:
            for imported in file.dependencies:
                add(imported)
            files[file.name] = file

    add(prediction_service_pb2.DESCRIPTOR)
    add(model_service_pb2.DESCRIPTOR)
    descriptors = descriptor_pb2.FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(descriptors.file.add())
    return descriptors.SerializeToString(deterministic=True)


def build_open_inference() -> bytes:
    """Returns the serialized `FileDescriptorSet` of the Open Inference Protocol."""
    proto = OPEN_INFERENCE_PATH.with_suffix(".proto")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        # In a process of its own: beside TensorFlow's protobuf protoc crashes.
        arguments = [f"-I{proto.parent}", f"--descriptor_set_out={out}", proto.name]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)
        return out.read_bytes()


def build_notice() -> str:
    """Returns the licence notice next to the file, with the versions it was made from."""
    return _NOTICE.format(
        tensorflow=metadata.version("tensorflow"),
        serving_api=metadata.version("tensorflow-serving-api"),
    )


def main() -> None:
    """Writes the files and the notice, and prints their paths."""
    OPEN_INFERENCE_PATH.write_bytes(build_open_inference())
    PATH.write_bytes(build())
    NOTICE_PATH.write_text(build_notice(), encoding="utf-8")
    print(f"Wrote {PATH} ({PATH.stat().st_size:,} bytes), {NOTICE_PATH} and {OPEN_INFERENCE_PATH}")


if __name__ == "__main__":
    main()
