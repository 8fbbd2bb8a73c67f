"""When a GAN grows: the schedule of Karras et al. 2018 (section 2, appendix A.1), pure arithmetic.

Training begins at a low resolution. Each resolution is trained for a number of images, then the
next block is faded in over another number; the last is trained until the run ends. Progress is
counted in real images shown.
"""

import dataclasses
import functools


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of training in which the networks are the same.

    Attributes:
        resolution: Of the images, in pixels.
        fading: Whether the block of this resolution is being faded in.
        begins: Images shown before it.
        ends: Images shown at its end; None for the last stage.
    """

    resolution: int
    fading: bool
    begins: int
    ends: int | None

    def describe(self, shown: int) -> str:
        """For messages: "16 px", or "16 px, fading in 40 %"."""
        if not self.fading:
            return f"{self.resolution} px"
        done = (shown - self.begins) / (self.ends - self.begins)
        return f"{self.resolution} px, fading in {100 * done:.0f} %"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """All stages of a GAN that grows.

    Attributes:
        first: Resolution at which training begins.
        last: Resolution of the whole networks.
        stable: Images for which each resolution but the last is trained.
        fade: Images over which each block is faded in.
    """

    first: int
    last: int
    stable: int
    fade: int

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """In order; stages of zero images are omitted."""
        stages, begins, resolution = [], 0, self.first
        while resolution < self.last:
            stages.append(Stage(resolution, False, begins, begins + self.stable))
            begins += self.stable
            resolution *= 2
            stages.append(Stage(resolution, True, begins, begins + self.fade))
            begins += self.fade
        whole = Stage(self.last, False, begins, None)
        return (*(stage for stage in stages if stage.begins < stage.ends), whole)

    def at(self, shown: int) -> Stage:
        """The stage in which training is after `shown` images."""
        return next(s for s in self.stages if s.ends is None or shown < s.ends)

    def finished(self, shown: int) -> list[int]:
        """Resolutions that have faded in completely after `shown` images."""
        stage = self.at(shown)
        most = stage.resolution // 2 if stage.fading else stage.resolution
        return [r for r in self.resolutions if r <= most]

    @property
    def resolutions(self) -> list[int]:
        """From the first to the last."""
        return [self.first << i for i in range((self.last // self.first).bit_length())]
