"""The files in a tar file one by one: where it is damaged, nothing is lost but what is there."""

import tarfile
from collections.abc import Iterator
from io import BufferedIOBase

from .limits import check_size
from .records import BadRecord


class _Member(tarfile.TarInfo):
    """A header that tells its archive of damage, where tarfile ends in silence."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Member":
        """Read the next header of an archive."""
        assert isinstance(archive, _Archive)
        try:
            member = super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            archive.has_end = True
            raise
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError:
            archive.is_damaged = True
            raise
        archive.has_end = False
        return member


class _Archive(tarfile.TarFile):
    """A tar file that knows of damage.

    has_end (bool): whether zeros follow the last member, as at the end of each tar file.
    is_damaged (bool): whether something after the last member is no header.
    """

    tarinfo = _Member
    has_end = is_damaged = False


def read_members(file: BufferedIOBase, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes] | BadRecord]:
    """The names and contents of files; bad records where the archive is damaged, or a file is too large.

    file (BufferedIOBase): a tar file, compressed or not.
    suffixes (tuple[str, ...]): of the files that are read, in lower case.
    """
    try:
        # Zeros and what is no header are skipped up to the next header.
        with _Archive.open(fileobj=file, mode="r|*", ignore_zeros=True) as archive:
            assert isinstance(archive, _Archive)
            for member in archive:
                if archive.is_damaged:
                    yield BadRecord(f"the tar file is damaged in front of {member.name}: files may be lost")
                    archive.is_damaged = False
                # It would keep all headers: some hundred megabytes for PMC's files.
                archive.members.clear()  # type: ignore[attr-defined]
                if not member.isfile() or not member.name.lower().endswith(suffixes):
                    continue
                try:
                    check_size(member.size)
                except ValueError as err:
                    yield BadRecord(f"{member.name}: {err}")
                    continue
                content = archive.extractfile(member)
                yield member.name, content.read() if content is not None else b""
            if archive.is_damaged or not archive.has_end:
                yield BadRecord("the tar file is damaged or cut off at its end: files may be lost")
    except tarfile.TarError as err:
        yield BadRecord(f"not a valid tar file from here to the end: {err}")
