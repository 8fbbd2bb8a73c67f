"""FastAPI with TensorFlow, as many write it: one call, one run in a thread, no batches."""

import fastapi

from tests.benchmarks.peers.model import Model

app = fastapi.FastAPI()
model = Model()


@app.post("/draw")
def draw(seed: int) -> fastapi.Response:
    return fastapi.Response(model.draw([seed])[0], media_type="image/png")
