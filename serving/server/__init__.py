"""The embedded server: TF Serving's gRPC API on TensorFlow's own runtime, in one asyncio process.

status.py    a status and a message for the caller
folders.py   finds the versions to load
models.py    loads SavedModels; the checks of a request; one run of a signature
batching.py  joins waiting requests into the next batch
services.py  PredictionService and ModelService
app.py       the port, the signals, the clean stop
"""
