"""Metrics that compare generated images with real ones.

`catalogue` lists them. `comparison` evaluates once (`evaluate`) or repeatedly during training
(`Evaluator`). Images come from `fakes`, their features from a network of `extractor`
(`inception_v3`, or one of the bundled `trunks`). `scores` computes the metrics, one file each:
`kid`, `frechet` (FID), `inception_score`, `precision_recall` (with density and coverage), `ppl`,
`classifier` (class accuracy and balance), `nearest_images`. Features are memory-mapped arrays,
those of real images in a `cache`; `rows` and `neighbours` read them block by block.
"""
