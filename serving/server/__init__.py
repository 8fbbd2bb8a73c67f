"""The embedded server, in one asyncio process on TensorFlow's own runtime.

It speaks TF Serving's APIs and the Open Inference Protocol.

flags.py          the command line, TF Serving's flags among it
base_path.py      models and versions in the file system
configuration.py  which models, versions and labels are served
manager.py        loads and unloads versions; finds the one that a request names
servable.py       one loaded version and its signatures
safety.py         the operations that a model may run
warmup.py         replays recorded requests
batching.py       one queue and one worker of each version
inference.py      the checks of a request, and its answer
api.py            TF Serving's calls, whatever carries them
open_inference.py the Open Inference Protocol, in terms of Predict
services.py       gRPC, with health and reflection
rest.py           REST and the metrics; json_tensors.py and open_inference_json.py are its JSON
monitoring.py     Prometheus metrics
text_files.py     small text protos; tls.py is the one of certificates
app.py            the server's life: start, watch, stop
"""
