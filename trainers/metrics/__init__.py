"""Measures of generated images against real ones.

`catalogue` names them. `comparison` measures once (`evaluate`) or again and again during training
(`Evaluator`). Images come from `fakes`, their features from a network of `extractor`
(`inception_v3`, or one of the bundled `trunks`). `scores` computes, with a file a metric: `kid`,
`frechet` (FID), `inception_score`, `precision_recall` (with density and coverage), `ppl`,
`classifier` (class accuracy and balance), `nearest_images`. Features are arrays mapped from files,
those of real images in a `cache`; `rows` and `neighbours` read them a block at a time.
"""
