"""Recognise the networks in PyTorch files by their public layouts; refuse unsupported layouts with a reason.

`torch_files` reads the container, `torch_tables` holds the key tables.
"""
from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np

from tf_idinvert.errors import InputError
from tf_idinvert.formats import torch_files, torch_tables
from tf_idinvert.formats.arguments import shown
from tf_idinvert.formats.described import Described
from tf_idinvert.formats.torch_files import Tensor

MAX_KEYS = 20_000


class Layout(NamedTuple):
    """A public layout of a network's state dict: the key that identifies it, its project, and its conversion."""
    mark: str
    owner: str
    network: str            # name of our class
    convert: Callable       # {key: array} -> (constructor arguments, {official name: array})


LAYOUTS = (
    Layout("mapping.dense0.fc.weight", "idinvert_pytorch or HiGAN", "Generator", torch_tables.idinvert_generator),
    Layout("mapping.dense0.linear.weight", "InterFaceGAN", "Generator", torch_tables.idinvert_generator),
    Layout("block0.conv.weight", "idinvert_pytorch", "Encoder", torch_tables.idinvert_encoder),
    Layout("synthesis.layer0.const", "genforce", "Generator", torch_tables.genforce_generator),
    Layout("input0.weight", "genforce", "Discriminator", torch_tables.genforce_discriminator),
    Layout("g_mapping.dense0.weight", "lernapparat or GANSpace", "Generator", torch_tables.lernapparat_generator),
)
# (Part of a key between dots, reason to refuse the file.) Sources: the public code of the projects named.
REFUSED = (
    ("style_mapping.", "is of MMGeneration's StyleGAN, which activates twice and upsamples otherwise: another function "
                       "than StyleGAN's"),
    ("progression.", "is of rosinality's style-based-gan-pytorch, whose bias stands before the blur and whose instance "
                     "norm is another: not exactly StyleGAN's function"),
    ("synthesis.early_layer.", "is a StyleGAN2 of genforce; StyleGAN2 is read from NVIDIA's TensorFlow pickles"),
    ("decoder.conv1.conv.modulation.", "is an encoder of the pSp family for a StyleGAN2 in PyTorch, which is not read"),
    ("conv1.conv.modulation.", "is a StyleGAN2 of rosinality's stylegan2-pytorch; StyleGAN2 is read from NVIDIA's "
                               "TensorFlow pickles"),
    ("Mixed_5b.branch1x1.", "is an InceptionV3, which makes no pictures; evaluate.py --inception takes pytorch-fid's"),
    ("lin0.model.1.", "holds heads of LPIPS; invert.py and evaluate.py take it with --lpips HEADS VGG16"),
    ("features.0.weight", "is a VGG as torchvision has it; invert.py and evaluate.py take VGG16's with --lpips HEADS "
                          "VGG16"),
    ("synthesis.b4.", "is a StyleGAN2 of NVIDIA's stylegan2-ada-pytorch; StyleGAN2 is read from NVIDIA's TensorFlow "
                      "pickles"),
)
# {name of a network in a file of several networks: its field of checkpoint.Models}
FIELDS = {"generator_smooth": "generator", "generator": "training_generator", "discriminator": "discriminator",
          "encoder": "encoder"}
OWN_FIELDS = {"Generator": "generator", "Discriminator": "discriminator", "Encoder": "encoder"}
WRAPPERS = ("models", "state_dict")     # keys under which training checkpoints store the networks


def describe(path, only=None, guess=True):
    """Yield a description of every network in a PyTorch file.

    Args:
        path: .pth, .pt or .bin file in a public layout of StyleGAN, or of the encoder of idinvert_pytorch.
        only: fields of `checkpoint.Models` to return; None: all.
        guess: whether to assume the final activation, with a note, for a layout that does not store it; False: none.
    Yields:
        Described.
    Raises:
        InputError: no file of torch.save, hostile, or of an unsupported layout; one line.
    """
    file = torch_files.read(path)
    notes, states = _states(file.content)
    for name, state in states.items():
        layout = _layout(state)
        field = OWN_FIELDS[layout.network] if name is None else _field(name, states)
        if OWN_FIELDS[layout.network] != field.replace("training_", ""):
            raise InputError(f"{shown(name)} is a network of another kind: {layout.network}")
        if only is not None and field not in only:
            continue
        with np.errstate(all="ignore"):     # NaN and infinity in a broken network are kept
            config, arrays = layout.convert(file.arrays(state))
        config, lines = _completed(config, layout, guess)
        yield Described(field, layout.network, config, arrays, (*notes, *lines), "PyTorch file",
                        _owner(layout, config))
        notes = ()


def _states(content):
    """Return (notes, {name of a network, None if it is the only one: {key: Tensor}}) of a file's content."""
    skipped = []
    for wrapper in WRAPPERS:
        if type(content) is dict and type(content.get(wrapper)) is dict:
            skipped += [key for key in content if key != wrapper]
            content = content[wrapper]
    if type(content) is not dict or not content:
        raise InputError("holds no network: expected a state dict, or several by name")
    if _is_state(content):
        states = {None: content}
    else:
        _refuse_known(content)
        states = {key: value for key, value in content.items() if key in FIELDS and _is_state(value)}
        skipped += [key for key in content if key not in states]
        foreign = [key for key in states if key == "encoder" and not _recognised(states[key])]
        for key in foreign if len(states) > len(foreign) else ():       # genforce's encoders have another layout
            skipped.append(key)
            del states[key]
    if not states:
        raise InputError(f"holds no network that we know by name; it holds {_listed(list(content))}, expected one "
                         f"state dict, or several of {', '.join(FIELDS)}")
    return (f"left out: {_listed(skipped)}",) if skipped else (), {
        name: _unwrapped(state) for name, state in states.items()}


def _is_state(value):
    return (type(value) is dict and 0 < len(value) <= MAX_KEYS
            and all(type(key) is str and type(each) is Tensor for key, each in value.items()))


def _unwrapped(state):
    """Return the state dict without the prefix that training on several devices adds to all keys."""
    prefix = "module."
    return {key[len(prefix):]: each for key, each in state.items()} if all(
        key.startswith(prefix) for key in state) else state


def _recognised(state):
    """Return the Layout of a state dict, or None."""
    return next((layout for layout in LAYOUTS if layout.mark in _unwrapped(state)), None)


def _layout(state):
    _refuse_known({None: state})
    layout = _recognised(state)
    if layout is None:
        raise InputError(f"has the keys {_listed(list(state))}, which is no layout we know; known are those of "
                         f"{', '.join(dict.fromkeys(each.owner for each in LAYOUTS))}")
    return layout


def _refuse_known(content):
    """Raise InputError if a state dict among the values has a known, unsupported layout."""
    for state in {id(state): state for state in content.values()}.values():     # a file may repeat one
        for key in state if type(state) is dict else ():
            for part, reason in REFUSED:
                if type(key) is str and f".{part}" in f".{key}":
                    raise InputError(reason)


def _field(name, states):
    """Return the field of a named network; 'generator' is Gs if the file has no running average beside it."""
    return "generator" if name == "generator" and "generator_smooth" not in states else FIELDS[name]


def _owner(layout, config):
    """Return the project of a layout. idinvert_pytorch and HiGAN share names; only the former has layerwise w."""
    if not layout.owner.endswith(" or HiGAN"):
        return layout.owner
    return layout.owner.split(" or ")[0 if config["layerwise"] else 1]


def _listed(keys):
    return ", ".join(shown(key) for key in keys[:4]) + (", ..." if len(keys) > 4 else "")


def _completed(config, layout, guess):
    """Return (constructor arguments with the final activation, notes) of a network."""
    if layout.network != "Generator":
        return config, []
    notes, activation = [], None
    if layout.convert is torch_tables.lernapparat_generator:
        notes.append("this layout has no w_avg, no noise and no outputs below full resolution: w_avg is the mean of "
                     f"{torch_tables.MEAN_CODES:,} codes, the noise is drawn with seed 0, the outputs are zeros")
    if layout.convert is torch_tables.idinvert_generator and config["layerwise"] and guess:
        activation = "tanh"
        notes.append("idinvert_pytorch does not store whether its generator ends in tanh; tanh is taken, as in all "
                     "three released models (--final-activation none leaves it out)")
    return dict(config, final_activation=activation), notes
