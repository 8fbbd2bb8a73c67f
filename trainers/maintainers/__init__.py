"""Commands for the project's maintainers. They are not in the wheel.

publish.py           bundles a finished run as a pretrained preset
scoreboard.py        prints tables of the scores of the bundled presets
make_samples.py      writes a bundled sample from a prepared set
convert_networks.py  converts the weights of the feature networks
"""
