"""Commands of the project's maintainers. They are not in the wheel.

publish.py               bundles a finished run as a pretrained preset
make_samples.py          writes a bundled sample from a prepared set
convert_mobilenet_v2.py  makes the weights of the feature network
"""
