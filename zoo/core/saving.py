"""A GAN as files: presets, and Keras's own format."""

import contextlib
import functools
import inspect
import os
import pathlib
import tempfile
from collections.abc import Hashable, Mapping
from typing import Any, Self

import keras
import numpy as np

from zoo.core import cards, checks, presets, sources, weights
from zoo.core.storage import expanded, sha256
from zoo.pictures import images as image_io
from zoo.pictures import marks

# Of the sha256 that a mark shows.
DIGITS = 12


class Saving(keras.Model):
    """A GAN as far as it is loaded and saved. `zoo.core.gan.GAN` trains it.

    Attributes:
        family: Key of `presets.FAMILIES`.
        card: The `card.json` of the preset that this model was loaded from, or None.
        ema_decay: See `zoo.core.gan.GAN`.
        generator_alone: Likewise.
        steps: int64 variable, generator updates so far.
    """

    family: str = ""
    ema_decay: float
    generator_alone: bool
    alters_pictures = False  # its images are made of pictures that it is given
    steps: keras.Variable
    generator: keras.Model
    discriminator: keras.Model
    ema_generator: keras.Model

    # What every config says; a preset is read by it.
    config_needs: tuple[str, ...] = ("resolution", "channels")

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Before networks are built.

        Raises:
            ValueError: Keras's global settings are not those that the networks need.
        """
        checks.check_keras_settings()
        return super().__new__(cls, *args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "family" in vars(cls):
            _name_family(cls)
        # So that `keras.models.load_model` and `zoo.load` know the class.
        package = "gan_zoo" if cls.__module__.startswith("zoo.") else cls.__module__
        keras.saving.register_keras_serializable(package)(cls)

    def __init__(self, *, config: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not self.family:
            raise TypeError(
                f"A family must have a name: set `family` in {type(self).__name__}. Received: none."
            )
        missing = [name for name in self.config_needs if name not in config]
        if missing:
            raise TypeError(
                f"The config of {type(self).__name__} must hold {', '.join(self.config_needs)}. "
                f"Received: {', '.join(config) or 'nothing'}, without {', '.join(missing)}."
            )
        omitted = [name for name in self._own_arguments() if name not in config]
        if omitted:
            raise TypeError(
                f"The config of {type(self).__name__} must hold its constructor's arguments, or a "
                f"preset could not be built again. Received: none for {', '.join(omitted)}."
            )
        self.card: dict[str, Any] | None = None
        self._config = dict(config)
        self._settled_at = 0

    @classmethod
    def _own_arguments(cls) -> list[str]:
        """Arguments of the family's constructor; those of the base are kept apart."""
        owner = next(c for c in cls.__mro__ if "__init__" in vars(c))
        if "family" not in vars(owner):
            return []  # a derived class with a constructor of its own
        own = inspect.signature(vars(owner)["__init__"]).parameters
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        of_base = ("self", "config", "ema_decay", "generator_alone")
        return [name for name, p in own.items() if p.kind in kinds and name not in of_base]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        resolution = self._config["resolution"]
        return resolution, resolution, self._config["channels"]

    @property
    def judges(self) -> bool:
        """Whether the discriminator has been trained, here or before."""
        return not self.generator_alone or int(self.steps.numpy()) > 0

    @property
    def mark(self) -> marks.Mark:
        """What files of this model's images say of their origin.

        The name of its preset, or its family; the first digits of the sha256 of the preset's
        weights, and the steps trained since.
        """
        card, steps = self.card or {}, int(self.steps.numpy())
        hashes = card.get("sha256") or {}
        digest = next((hashes[file] for file in cards.WEIGHTS_FILES if file in hashes), None)
        parts = [_weights(str(digest))] if digest else []
        parts += [f"{steps} steps"] if steps or not digest else []
        return self._mark(str(card.get("name", self.family)), parts)

    def _mark(self, name: str, version: list[str]) -> marks.Mark:
        return marks.Mark(name, " and ".join(version), self.alters_pictures)

    def structure(self) -> Hashable:
        """What the networks are now, as far as it changes while they train: growth.

        Read on the host before images are drawn; each value is compiled once.
        """
        return None

    def settle(self) -> None:
        """Before images are shown: what the paper computes afresh for that. Mostly nothing."""

    def _settle_once(self) -> None:
        steps = int(self.steps.numpy())
        if steps != self._settled_at:
            self.settle()
            self._settled_at = steps

    def sample_sheet(self) -> tuple[np.ndarray, int] | None:
        """Images for a person to look at: uint8 [n, H, W, C], and how many stand in a row.

        None where there is nothing to show.
        """
        raise NotImplementedError(f"{type(self).__name__} must say what it shows.")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments: a preset's `config`."""
        return {**self._config, "ema_decay": self.ema_decay}

    def preset_config(self) -> dict[str, Any]:
        """What a preset says to build this model from; the live model's `get_config` stays.

        Mostly that. A preset does not hold `steps`, so a family whose constructor counts from them
        gives what is left.
        """
        return self.get_config()

    @classmethod
    def from_preset(
        cls, name: str | os.PathLike[str], *, load_weights: bool = True, **arguments: Any
    ) -> Self:
        """Loads a preset; see `zoo.load`. A family's class insists on that family.

        Raises:
            PresetError: Also when the preset is of another family.
        """
        source = sources.resolve(name)
        name = source.name
        family_class = cls._class_for(source)
        class_name = family_class.__name__
        if load_weights and arguments:
            raise presets.PresetError(
                "The weights of a preset fit its own arguments: give load_weights=False as well. "
                f"Received: {', '.join(arguments)} for {name!r}."
            )
        if load_weights and source.weights is None:
            raise presets.PresetError(
                f"{name!r} has no pretrained weights. "
                f"zoo.load({name!r}, load_weights=False) builds the untrained architecture."
            )
        shapes: list[tuple[int, ...]] = []
        limits: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if source.weights is not None and not arguments:
            shapes = sources.shapes_of(source.weights)
            limits = weights.limited_to(shapes)
        config = source.config
        if not load_weights and name in presets.registry():
            # It is trained from the start, so that nothing is behind it.
            config = {**config, **presets.get_preset(name).config}
        try:
            with limits:
                gan = family_class(**{**config, **arguments})
        except (TypeError, ValueError) as error:
            raise presets.PresetError(
                f"The config of preset {name!r} must be arguments of {class_name}: {error}"
            ) from error
        if load_weights and source.weights is not None:
            try:
                discriminator = None if gan.generator_alone else gan.discriminator
                pair = weights.Pair(gan.generator, discriminator)
                weights.check_place(pair, shapes)
                weights.load(pair, source.weights)
            except (ValueError, OSError, KeyError) as error:
                raise presets.PresetError(
                    f"{source.weights} must hold the weights of {name!r}. "
                    f"Received: {' '.join(str(error).split())[:500]}"
                ) from error
            gan.ema_generator.set_weights(gan.generator.get_weights())
            gan.card = source.card
        return gan

    @classmethod
    def _class_for(cls, source: sources.Source) -> type[Self]:
        """The class that a preset is loaded as: its own, the family's, or one derived from it."""
        family_class = presets.family_class(source.family)
        if cls is not family_class and issubclass(cls, family_class):
            return cls
        if not issubclass(family_class, cls):
            raise presets.PresetError(
                f"{cls.__name__}.from_preset loads presets of family {cls.family!r}. "
                f"Received: {source.name!r} of family {source.family!r}; "
                f"use zoo.load or zoo.{family_class.__name__}."
            )
        if source.class_name is None or cls is family_class:
            return family_class
        derived = keras.saving.get_registered_object(source.class_name)
        if derived is None:
            module, name = source.class_name.split(">")
            raise presets.PresetError(
                f"{source.name!r} is a preset of a class derived from {family_class.__name__}: "
                f"import {name} from {module} first, or load it as the family's with "
                f"zoo.{family_class.__name__}.from_preset({source.name!r}). "
                f"Received: a class that is not imported."
            )
        return derived

    def save_to_preset(
        self,
        folder: str | os.PathLike[str],
        *,
        card: dict[str, Any] | None = None,
        dtype: str = "float32",
        samples: bool = True,
    ) -> None:
        """Writes a folder that `zoo.load` reads: the EMA generator and the discriminator.

        The discriminator of a generator alone is left out until it has been trained. Optimizers
        stay out: training that starts from a preset goes on from the EMA. (To go on
        with a run exactly, resume it from its checkpoints.)

        Args:
            folder: Written whole or not at all; replaced if it is there.
            card: What to say of the weights: data set, licence, recipe, scores. The card of the
                preset that the model came from is kept, as `trained_from` once it was trained on.
            dtype: "float32", or "float16", which halves the file; the model that is loaded from it
                is still float32.
            samples: Whether images are drawn for `samples.png`.

        Raises:
            ValueError: Weights that are not finite; nothing is written.
        """
        if dtype not in ("float32", "float16"):
            raise ValueError(f"dtype must be 'float32' or 'float16'. Received: {dtype!r}.")
        folder = expanded(folder)
        self._settle_once()
        self._check_finite(dtype)
        with tempfile.TemporaryDirectory() as scratch:
            file = pathlib.Path(scratch) / presets.WEIGHTS_FILE
            discriminator = self.discriminator if self.judges else None
            weights.Pair(self.ema_generator, discriminator).save_weights(file)
            if dtype != "float32":
                file = weights.cast(file, dtype)
            shown = self.sample_sheet() if samples else None
            config = self.preset_config()
            written = {
                "name": folder.resolve().name,
                **self._inherited_card(),
                **(card or {}),
                **self._facts(),
            }
            mark = self._mark(str(written["name"]), [_weights(sha256(file))])
            if self.judges:
                config.pop("generator_alone", None)
            sources.write(
                folder,
                family=self.family,
                class_name=self._derived_name(),
                config=config,
                weights=file,
                card=written,
                samples=image_io.encode_png(image_io.grid(*shown), mark) if shown else None,
            )

    def _facts(self) -> dict[str, Any]:
        """What a card says of the model whatever it was trained on."""
        networks = {"generator": self.generator}
        if self.judges:
            networks["discriminator"] = self.discriminator
        counts = {name: weights.trainable_parameters(each) for name, each in networks.items()}
        return {"family": self.family, "parameters": counts}

    def _check_finite(self, dtype: str) -> None:
        """Raises ValueError for weights that are not finite, or would not be in the file."""
        largest = float(np.finfo(dtype).max)
        for network in (self.ema_generator, self.discriminator):
            for variable in network.variables:
                values = variable.numpy()
                if values.dtype.kind == "f" and not np.all(np.abs(values) <= largest):
                    raise ValueError(
                        f"Weights must be finite in {dtype} to be saved as a preset. "
                        f"Received: {variable.path} of the {network.name} with NaN or more than "
                        f"{largest:g}."
                    )

    def _derived_name(self) -> str | None:
        """Keras's name of a class derived from the family's; None of the family's own."""
        if type(self) is presets.family_class(self.family):
            return None
        return keras.saving.get_registered_name(type(self))

    @functools.wraps(keras.Model.save)
    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        if pathlib.Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                "A GAN is saved as .keras, or by save_to_preset(folder) for zoo.load. "
                f"Received: {filepath}."
            )
        super().save(filepath, *args, **kwargs)

    def _inherited_card(self) -> dict[str, Any]:
        """What the card that this model was loaded with still says of its weights."""
        if self.card is None:
            return {}
        if int(self.steps.numpy()):
            return {"trained_from": self.card}
        return {key: value for key, value in self.card.items() if key != "sha256"}


def _weights(digest: str) -> str:
    """How a mark names weights of a sha256."""
    return f"weights {digest[:DIGITS]}"


_named: dict[str, str] = {}


def _name_family(cls: type[Saving]) -> None:
    """Raises TypeError where another class has the family's name; the same one may be redefined."""
    path = f"{cls.__module__}.{cls.__qualname__}"
    taken = _named.setdefault(cls.family, path)
    if taken != path:
        raise TypeError(
            f"A family's name must be unique. Received: {cls.family!r} for {path}, which is "
            f"{taken}'s. A class derived from a family keeps its name: omit `family`."
        )
