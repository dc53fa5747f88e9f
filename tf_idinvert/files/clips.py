"""Frames of a video file, and a video file of frames with the sound of another, by PyAV (FFmpeg)."""
from __future__ import annotations

import contextlib
import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np

from tf_idinvert.errors import InputError, first_line
from tf_idinvert.files import atomic
from tf_idinvert.files.paths import require_file

MOST_PIXELS = 1 << 26       # of a frame
INSTALL = "reading and writing video needs PyAV: pip install 'tf_idinvert[video]'"


class ClipError(InputError):
    """A video that cannot be read or written; one line that begins with its path."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video file: side lengths in pixels, frames a second, and how many frames it says it has; 0: it does not say."""

    path: Path
    width: int
    height: int
    rate: Fraction
    count: int

    def frames(self, first=0):
        """Yield the frames from number `first` on: uint8 [H, W, 3], RGB. ClipError where it is damaged."""
        with _opened(self.path) as container:
            for i, frame in enumerate(container.decode(video=0)):
                if (frame.width, frame.height) != (self.width, self.height):
                    raise ClipError(f"{self.path}: frame {i} has {frame.width}x{frame.height} pixels, the first ones "
                                    f"{self.width}x{self.height}")
                if i >= first:
                    yield frame.to_ndarray(format="rgb24")


def read(path):
    """The Clip of a path. ClipError: it is missing, no video, or has frames of too many pixels."""
    path = Path(path)
    require_file(path, "a video", ClipError)
    with _opened(path) as container:
        if not container.streams.video:
            raise ClipError(f"{path}: holds no video")
        stream = container.streams.video[0]
        width, height, rate = stream.width, stream.height, stream.average_rate or stream.guessed_rate
        if not width or not height or width * height > MOST_PIXELS or not rate:
            raise ClipError(f"{path}: {width}x{height} pixels, {rate} frames a second; expected up to {MOST_PIXELS} "
                            "pixels, and a known rate")
        return Clip(path, width, height, Fraction(rate), stream.frames)


def write(path, frames, rate, sound_of=None, quality=18):
    """Write a video of frames in H.264, with the sound of a clip copied, atomically.

    Args:
        path: file name, .mp4, .mov or .mkv.
        frames: iterable of uint8 [H, W, 3], RGB, all of one size; sides that are odd lose a pixel, as H.264 needs it.
        rate: frames a second.
        sound_of: path of a video, whose sound is copied; None: none.
        quality: constant rate factor, 0 (lossless) to 51.
    Returns:
        Number of frames written.
    Raises:
        ClipError: it cannot be written, or there is no frame.
    """
    av = _av()
    try:
        with contextlib.ExitStack() as open_files:
            temporary = open_files.enter_context(atomic.replacing(path))
            source = sound_of and open_files.enter_context(_opened(sound_of))
            target = open_files.enter_context(av.open(temporary, "w"))
            return _encode(av, source, target, frames, rate, quality)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise ClipError(f"{path}: cannot be written: {_reason(error)}") from error


def _encode(av, source, target, frames, rate, quality):
    """Write both streams -> number of frames."""
    sounds = {each: target.add_stream_from_template(each) for each in source.streams.audio} if source else {}
    picture = count = None
    for count, pixels in enumerate(frames, start=1):
        height, width = (side // 2 * 2 for side in pixels.shape[:2])
        if picture is None:
            picture = target.add_stream("libx264", rate=rate, options={"crf": str(quality)})
            picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
        target.mux(picture.encode(frame))
    if picture is None:
        raise ClipError("no frames to write")
    target.mux(picture.encode())
    for packet in source.demux(*sounds) if sounds else ():
        if packet.dts is not None:
            packet.stream = sounds[packet.stream]
            target.mux(packet)
    return count


@contextlib.contextmanager
def _opened(path):
    """The container of a file; what goes wrong with it is one line."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            yield container
    except (av.error.FFmpegError, EOFError) as error:
        raise ClipError(f"{path}: no video that can be read: {_reason(error)}") from error


def _av():
    try:
        import av
    except ImportError:
        raise InputError(INSTALL) from None
    av.logging.set_level(av.logging.PANIC)
    return av


def _reason(error):
    return getattr(error, "strerror", None) or first_line(error)
