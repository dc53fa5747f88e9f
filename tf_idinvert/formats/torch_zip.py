"""Locate the members in the zip archive of a PyTorch file; strict, because files may come from strangers.

PyTorch (since 1.6) stores members uncompressed, so a member is a span of the file. Nothing is unpacked, and names of
members are never used as paths.

Source: the zip format, APPNOTE.TXT of PKWARE, sections 4.3 and 4.4. torch.save writes zip64 records even in small
files, and the sizes in a descriptor after the data.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tf_idinvert.formats.pickle_machine import Refused, shown

MAX_MEMBERS = 20_000        # every tensor has a member; a training checkpoint of 1024 px has about 1,200
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END_64, LOCATOR_64 = b"PK\x06\x06", b"PK\x06\x07"
IN_ZIP64 = {0xFFFF, 0xFFFFFFFF}     # these values refer to the zip64 record
DESCRIPTOR, ENCRYPTED = 0x8, 0x1    # general purpose flags


class Member(NamedTuple):
    """Data of a member: its position in the file, its length in bytes, and its CRC-32."""
    start: int
    length: int
    crc: int


def members(file, size):
    """Return {name: Member} of a zip archive in a binary file of `size` bytes.

    Raises:
        Refused: the archive is damaged, compressed or encrypted, or members overlap, share a name, or are not where
            the directory says; PyTorch writes no such archive.
    """
    count, length, start, end = _directory(file, size)
    if count > MAX_MEMBERS:
        raise Refused(f"has {count} members, more than the {MAX_MEMBERS} allowed")
    if start + length != end or length < 46 * count:
        raise Refused("is damaged: its directory does not lie where its end says")
    directory, found, position = _read(file, start, length), {}, 0
    for _ in range(count):
        name, local, member, position = _entry(directory, position)
        if name in found:
            raise Refused(f"has two members of the name {shown(name)}")
        found[name] = local, member
    if position != length:
        raise Refused("is damaged: its directory holds more than its members")
    placed = {name: _placed(file, name, local, member) for name, (local, member) in found.items()}
    spans = sorted((found[name][0], member.start + member.length) for name, member in placed.items())
    for (_, stop), following in zip(spans, [begin for begin, _ in spans[1:]] + [start]):
        if stop > following:
            raise Refused("has members that overlap")
    return placed


def _read(file, start, length):
    file.seek(start)
    data = file.read(length)
    if len(data) != length:
        raise Refused("ends too early: an incomplete download?")
    return data


def _directory(file, size):
    """Return (number of members, bytes of the directory, its position, position of what follows it)."""
    if size < 22:
        raise Refused("ends too early: an incomplete download?")
    end = size - 22
    record = struct.unpack("<4s4H2IH", _read(file, end, 22))
    if record[0] != END:
        raise Refused("has no zip directory at its end: an incomplete download?")
    _, disk, other_disk, on_disk, count, length, start, comment = record
    if disk or other_disk or on_disk != count or comment:
        raise Refused("is a zip archive of several parts or with a comment, which PyTorch does not write")
    if end >= 20 + 56 and _read(file, end - 20, 4) == LOCATOR_64:
        signature, _, record_64, disks = struct.unpack("<4sIQI", _read(file, end - 20, 20))
        wide = struct.unpack("<4sQ2H2I4Q", _read(file, end - 76, 56))
        if record_64 != end - 76 or wide[0] != END_64 or disks != 1 or wide[6] != wide[7]:
            raise Refused("is damaged: its zip64 record is not where it should be")
        for narrow, value in zip((count, length, start), wide[7:]):
            if narrow != value and narrow not in IN_ZIP64:
                raise Refused("is damaged: its zip and zip64 records contradict each other")
        return wide[7], wide[8], wide[9], end - 76
    return count, length, start, end


def _entry(directory, position):
    """Return (name, position of the local header, Member without its start, position of the next entry)."""
    fields = struct.unpack_from("<4s6H3I5H2I", directory, position)
    signature, _, _, flags, method, _, _, crc, stored, length, *rest = fields
    name_bytes, extra, comment, disk, _, _, local = rest
    name = directory[position + 46:position + 46 + name_bytes].decode("utf-8")
    if signature != CENTRAL or len(name.encode()) != name_bytes or disk:
        raise Refused("is damaged: its directory has something other than members")
    if method or stored != length:
        raise Refused(f"has the compressed member {shown(name)}; PyTorch stores its members as they are")
    if flags & ENCRYPTED:
        raise Refused(f"has the encrypted member {shown(name)}")
    if length in IN_ZIP64 or local in IN_ZIP64:     # 4 GiB or more: larger than any accepted file
        raise Refused(f"has the member {shown(name)} of a zip64 size, more than the file can hold")
    return name, local, Member(0, length, crc), position + 46 + name_bytes + extra + comment


def _placed(file, name, local, member):
    """Return the Member with its start; raise Refused if its local header contradicts the directory."""
    fields = struct.unpack("<4s5H3I2H", _read(file, local, 30))
    signature, _, flags, method, _, _, crc, stored, length, name_bytes, extra = fields
    own = b"" if signature != LOCAL else _read(file, local + 30, name_bytes)
    agrees = crc == member.crc and (stored, length) in ((member.length,) * 2, (0xFFFFFFFF,) * 2)
    if own != name.encode() or method or flags & ENCRYPTED or not (agrees or flags & DESCRIPTOR):
        raise Refused(f"is damaged: the member {shown(name)} is not what the directory says")
    return member._replace(start=local + 30 + name_bytes + extra)
