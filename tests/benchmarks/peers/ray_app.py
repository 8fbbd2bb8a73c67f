"""Ray Serve with its batches: python -m tests.benchmarks.peers.ray_app PORT"""

import sys
import time

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from tests.benchmarks.peers.model import MAX_ROWS, Model


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
class Service:
    def __init__(self) -> None:
        self.model = Model()

    @serve.batch(max_batch_size=MAX_ROWS, batch_wait_timeout_s=0)
    async def draw(self, seeds: list[int]) -> list[bytes]:
        return self.model.draw(seeds)

    async def __call__(self, request: Request) -> Response:
        png = await self.draw(int(request.query_params["seed"]))
        return Response(png, media_type="image/png")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Service.bind(), route_prefix="/draw")
    while True:
        time.sleep(1)
