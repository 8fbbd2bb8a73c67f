"""This project's own TFDS sets, made from images that come inside packages.

Importing this module registers them with TFDS, which then finds them by name like its own sets.
"""

from trainers.data.builders.avatars import Avatars
from trainers.data.builders.earth_day_night import EarthDayNight
from trainers.data.builders.emoji_families import EmojiFamilies
from trainers.data.builders.emoji_styles import EmojiStyles
from trainers.data.builders.landscapes import Landscapes
from trainers.data.builders.mnist_5k import Mnist5k
from trainers.data.builders.openmoji_pairs import OpenmojiPairs
from trainers.data.builders.peeps import Peeps
from trainers.data.builders.photo_tiles import PhotoTiles
from trainers.data.builders.satellite_maps import SatelliteMaps
from trainers.data.builders.toons import Toons

NAMES = tuple(
    builder.name
    for builder in (
        Avatars,
        EarthDayNight,
        EmojiFamilies,
        EmojiStyles,
        Landscapes,
        Mnist5k,
        OpenmojiPairs,
        Peeps,
        PhotoTiles,
        SatelliteMaps,
        Toons,
    )
)
