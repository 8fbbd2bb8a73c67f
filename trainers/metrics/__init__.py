"""Measures of generated images against real ones.

`catalogue` names them. `evaluation.evaluate` measures once, `evaluator.Evaluator` again and again
during training; both read images from `fakes`, take `features` of them on one of `networks`
(`inception_v3`, `mobilenet_v2`), and compute in `scores`, with a file a metric: `kid`, `frechet`
(FID), `inception_score`, `precision_recall` (with density and coverage), `ppl`, `classifier` (class
accuracy and balance), `nearest_images`. Features lie in files (`feature_file`), those of real
images in a `cache`; `rows` and `neighbours` read them a block at a time.
"""
