"""Video: squares over time, files of frames with sound, and the job, which can be stopped and goes on."""
from __future__ import annotations

import json
import logging
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from tf_idinvert.alignment import quad, track
from tf_idinvert.files import arrays, clips
from tf_idinvert.jobs import video


def turned(count=40, seed=0, noise=0.0):
    """Squares of a face that moves, grows and turns around: [T, 4, 2]."""
    t = np.linspace(0, 1, count)
    values = np.stack([100 + 80 * t, 90 - 30 * t, np.log(40 + 20 * t), np.pi - 0.5 + t], axis=1)
    return track.squares(values + noise * np.random.default_rng(seed).standard_normal([count, 4]) * [1, 1, 0.02, 0.02])


# ---- squares over time

def test_parameters_and_squares_are_each_others_inverse():
    found = turned()
    assert np.abs(track.squares(track.parameters(found)) - found).max() < 1e-9
    assert np.abs(np.diff(track.parameters(found)[:, 3])).max() < 0.1, "a turn beyond 180 degrees is no jump"
    upright = quad.of_square(3, 4, 10)[None]
    assert np.allclose(track.parameters(upright), [[8, 9, np.log(10), 0]])


def test_smoothing_leaves_a_steady_movement_and_calms_a_trembling_one():
    true = turned()
    parameters = track.parameters(true)
    steady = track.smooth(true, 2.0)
    assert np.abs(track.parameters(steady)[:, [0, 1, 3]] - parameters[:, [0, 1, 3]]).max() < 1e-9     # straight lines
    noisy = turned(noise=1.0)
    calm = track.smooth(noisy, 2.0)
    assert track.jitter(calm) < 0.2 * track.jitter(noisy)
    assert np.abs(calm - true).mean() < np.abs(noisy - true).mean()
    assert np.allclose(track.smooth(noisy, 0), noisy)
    one = track.smooth(noisy[:1], 2.0)
    assert np.allclose(one, noisy[:1])


def test_smoothing_by_hand():
    values = track.parameters(turned(noise=1.0))
    weights = np.exp(-0.5 * (np.arange(-4, 5) / 1.0) ** 2)
    expected = (values[16:25] * weights[:, None]).sum(axis=0) / weights.sum()
    assert np.allclose(track.parameters(track.smooth(track.squares(values), 1.0))[20], expected, atol=1e-9)


def test_gaps_are_filled_on_straight_lines():
    found = turned()
    found[[0, 1, 10, 11, 12]] = np.nan
    filled = track.parameters(track.smooth(found, 0))
    known = track.parameters(turned())
    assert np.allclose(filled[10:13, [0, 1, 3]], known[10:13, [0, 1, 3]])
    assert np.allclose(filled[0], known[2]) and np.isfinite(filled).all()


def test_the_face_that_is_followed_is_the_nearest_one():
    here, far, near = quad.of_square(0, 0, 10), quad.of_square(40, 0, 30), quad.of_square(3, 2, 11)
    assert track.nearest([far, here], None, 1) is here
    assert track.nearest([far, near], here) is near
    assert np.isnan(track.nearest([far], here)).all() and np.isnan(track.nearest([], here)).all()
    assert np.isnan(track.nearest([here], None, 1)).all()


def test_jitter_is_the_second_difference():
    squares = np.zeros([3, 4, 2])
    squares[1, :, 0] = 1        # there and back
    assert track.jitter(squares) == pytest.approx(2)
    assert track.jitter(squares[:2]) == 0


# ---- files

@pytest.fixture
def clip(tmp_path):
    """A clip of 12 frames of 48x32 pixels with a second of sound."""
    av = pytest.importorskip("av", reason="needs PyAV")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream, sound = file.add_stream("libx264", rate=12, options={"crf": "0"}), file.add_stream("aac", rate=16000)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        for i in range(12):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame_of(i), format="rgb24")))
        file.mux(stream.encode())
        wave = (8000 * np.sin(np.arange(16000) / 9)).astype("int16")[None]
        samples = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        samples.rate = 16000
        file.mux(sound.encode(samples))
        file.mux(sound.encode())
    return clips.read(path)


def frame_of(i):
    y, x = np.mgrid[:32, :48]
    return np.stack([x * 5, y * 7, np.full_like(x, 20 * i)], axis=2).astype(np.uint8)


def test_frames_and_sound_come_through(clip, tmp_path):
    import av
    assert (clip.width, clip.height, clip.rate, clip.count) == (48, 32, Fraction(12), 12)
    frames = list(clip.frames())
    assert len(frames) == 12 and all(np.abs(each.astype(int) - frame_of(i)).max() < 8 for i, each in enumerate(frames))
    assert np.array_equal(next(clip.frames(7)), frames[7])
    count = clips.write(tmp_path / "out.mp4", (each[:31] for each in frames), clip.rate, clip.path, quality=1)
    again = clips.read(tmp_path / "out.mp4")
    assert count == 12 and (again.width, again.height, again.rate) == (48, 30, Fraction(12))
    assert np.abs(next(again.frames(5)).astype(int) - frames[5][:30]).mean() < 6

    def sound(path):
        with av.open(str(path)) as file:
            return b"".join(bytes(packet) for packet in file.demux(audio=0))

    assert sound(tmp_path / "out.mp4") == sound(clip.path) != b""       # copied, not encoded again


def test_what_is_no_video_is_one_line(clip, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for path, words in ((tmp_path / "none.mp4", "no such file"), (tmp_path / "text.mp4", "no video that can be read"),
                        (tmp_path, "is a folder")):
        with pytest.raises(clips.ClipError, match=words) as error:
            clips.read(path)
        assert "\n" not in str(error.value)
    with pytest.raises(clips.ClipError, match="no frames"):
        clips.write(tmp_path / "out.mp4", [], 12)
    assert not list(tmp_path.glob("*out.mp4"))


# ---- the job

class Search:
    """An inversion whose codes tell what it was given: the mean colours of the crop, and the start."""

    def __init__(self, log):
        self.log = log

    def __call__(self, crop, start=None):
        self.log.append(None if start is None else start.copy())
        code = np.zeros([1, 2, 3], "float32")
        code[0, 0], code[0, 1, 0] = crop.mean(axis=(0, 1, 2)), 0 if start is None else start[0, 1, 0] + 1
        return SimpleNamespace(codes=code)


def editor(calls, **options):
    def synthesis(codes):
        return np.tile(np.asarray(codes)[:, :1, None, :] * 0 + 0.1 * codes[:, 1, 2][:, None, None, None], [1, 8, 8, 1])

    network = SimpleNamespace(resolution=8, num_layers=2, dlatent_size=3, synthesis=synthesis)
    return video.VideoEditor(
        network, Search(calls), Search(calls), lambda codes, far: codes + np.float32([[[0, 0, 0], [0, 0, far]]]),
        lambda pixels: [quad.of_square(10, 6, 16)], video.VideoOptions(**{"keys": ((0, 0.0), (10, 5.0)), **options}),
        log=logging.getLogger("test"), record={"model": "m"})


def test_a_clip_is_edited_and_goes_on_after_a_stop(clip, tmp_path):
    calls, whole, parts = [], tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    path = editor(calls)(clip, whole, "clip")
    assert calls[0] is None and [each[0, 1, 0] for each in calls[1:]] == list(range(11))    # each starts at the last
    codes = arrays.read(whole / "codes.npy")
    assert codes.shape == (12, 2, 3) and codes[:, 1, 0].tolist() == list(range(12))
    frames = list(clips.read(path).frames())
    assert len(frames) == 12
    change = [np.abs(each.astype(int) - frame_of(i)) for i, each in enumerate(frames)]
    assert change[0].max() < 12                                         # distance 0: as it was, but for the encoding
    assert change[10][10:18, 14:22].mean() > 40 and change[10][:4].max() < 12       # in the square, not beside it
    record = json.loads((whole / "options.json").read_text())
    assert record["frames"] == 12 and record["trembles"] == {"before": 0.0, "after": pytest.approx(0, abs=1e-9)}
    assert not list(whole.glob(".*")) and (whole / "clip.html").exists()

    stopped = editor([])

    def stop(*_, left=[5], work=stopped.following.__call__, **more):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return work(*_, **more)

    stopped.following = stop
    with pytest.raises(KeyboardInterrupt):
        stopped(clip, parts, "clip")
    assert len(list(parts.glob(".codes-*"))) == 1
    rest = []
    editor(rest)(clip, parts, "clip")
    assert len(rest) == 12 - 5                                          # five frames were known
    for name in ("codes.npy", "squares.npy"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_frames_keep_their_bits_where_nothing_is_added(clip, tmp_path):
    job = editor([], keys=((0, 0.0),))
    codes = video.Rows(tmp_path / "codes", "key", [2, 3])
    for i in range(12):
        codes.put(i, np.zeros([2, 3]))
    squares = np.repeat(quad.of_square(10.3, 6.2, 16)[None], 12, axis=0)
    bar = SimpleNamespace(update=lambda: None)
    for pixels, original in zip(job._edited(clip, squares, codes, bar, []), clip.frames()):
        assert np.array_equal(pixels, original)


def test_a_row_that_was_cut_off_does_not_count(tmp_path):
    rows = video.Rows(tmp_path / "rows", "key", [2])
    rows.put(0, [1, 2])
    rows.put(1, [3, 4])
    with open(rows.path, "ab") as file:
        file.write(b"12345")
    again = video.Rows(tmp_path / "rows", "key", [2])
    assert len(again) == 2 and again[1].tolist() == [3, 4]
    again.put(2, [5, 6])
    assert again.all().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert len(video.Rows(tmp_path / "rows", "another", [2])) == 0


def test_clips_without_faces_and_unaligned_ones_are_one_line(clip, tmp_path):
    job = editor([])
    job.find = lambda pixels: []
    with pytest.raises(ValueError, match="no face was found in any frame"):
        job(clip, tmp_path, "clip")
    job.find = None
    with pytest.raises(ValueError, match="no aligned squares"):
        job(clip, tmp_path, "clip")


def test_arguments():
    from tf_idinvert.cli import video as tool
    assert tool.keys("0:1,30:2.5") == ((0, 1.0), (30, 2.5))
    for text in ("3:1,2:2", "-1:0", "2:1,2:2"):
        with pytest.raises(ValueError):
            tool.keys(text)
    args = tool.parse_arguments(["network.h5", "clip.mp4", "age.npy"])
    assert (args.model_path, args.clip, args.boundary_path) == ("network.h5", "clip.mp4", "age.npy")
    args = tool.parse_arguments(["clip.mp4", "age.npy"])
    assert (args.clip, args.boundary_path) == ("clip.mp4", "age.npy") and args.model_path.name.endswith(".h5")
    for wrong in ["clip.mp4"], *(["clip.mp4", "age.npy", *each] for each in (
            ["--start", "mean"], ["-R"], ["--seed", "1"], ["--label", "0"], ["--num_results", "2"])):   # no effect here
        with pytest.raises(SystemExit):
            tool.parse_arguments(wrong)
