"""`python -m tests.trainers.cluster.one_worker FOLDER STEPS`: trains, with a checkpoint every 4.

Until it is done, gets SIGTERM, or loses another worker.
"""

import functools
import pathlib
import sys
import zlib

import keras
import tensorflow as tf

import zoo
from trainers import data
from trainers.checkpoint import Checkpoints
from trainers.signals import StopRequest
from trainers.strategy import agree, distribute, is_chief, lost_worker, make_strategy


def main() -> None:
    folder, steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    strategy = make_strategy("multi_worker", worker_timeout_s=120)
    images = data.load("sample:fashion_mnist", resolution=28, channels=1)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        gan = zoo.DCGAN(resolution=28, channels=1, latent_dim=8, width=8, architecture="small")
        gan.compile(seed=0)
    checkpoints = Checkpoints(folder, gan, writes=is_chief(strategy))
    start = checkpoints.restore()
    print(f"start at step {start}")
    batches = functools.partial(data.batches, images, 16, seed=0, start_step=start)
    stop = StopRequest()

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            step = start + batch + 1
            if step % 4 == 0:
                checkpoints.save(step)
                checkpoints.wait()
            print(f"step {step}")
            self.model.stop_training = agree(strategy, stop.signum is not None)

    try:
        with stop:
            gan.fit(
                distribute(strategy, lambda share: batches(share=share)),
                steps_per_epoch=steps - start,
                shuffle=False,
                verbose=0,
                callbacks=[Watch()],
            )
    except tf.errors.OpError as error:
        message = lost_worker(strategy, error)
        if message is None:
            raise
        sys.exit(f"error: {message}")
    weights = [*gan.generator.get_weights(), *gan.ema_generator.get_weights()]
    digest = zlib.crc32(b"".join(w.tobytes() for w in weights))
    print(f"stopped at step {int(gan.steps.numpy())} with {digest:08x}")
    agree(strategy, False)  # nobody leaves before the others are done


if __name__ == "__main__":
    main()
