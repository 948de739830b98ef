"""The settings of `craft_ner` and `craft_linker`: what is allowed, how they are set, saved and restored.

Each setting is checked when the component is made and whenever it is set later. Settings that were set later
are saved with the component, beside the value of the config at that time: when the component is loaded with
another value in the config, that one wins, as for `spacy.load(..., config={...})`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from .alignment import ALIGNMENT_MODES
from .labels import is_valid_label

Value = TypeVar("Value")


class Setting(Generic[Value]):
    """An attribute of a component whose value is in the component's `cfg` and is checked when it is set."""

    def __init__(
        self, check: Callable[[Any], Value], on_set: Callable[[Any, Value], None] | None = None
    ) -> None:
        """Make the descriptor of a setting.

        check: gives the value as it is kept; it raises a ValueError without the setting's name.
        on_set: called with the component and the new value before it is kept; it may raise a ValueError.
        """
        self.check = check
        self.on_set = on_set
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, component: None, owner: type) -> "Setting[Value]": ...

    @overload
    def __get__(self, component: Any, owner: type) -> Value: ...

    def __get__(self, component: Any, owner: type) -> "Setting[Value] | Value":
        return self if component is None else component._settings[self.name]

    def __set__(self, component: Any, value: Any) -> None:
        """RAISES: ValueError if the value is not allowed."""
        try:
            kept = self.check(value)
        except ValueError as err:
            raise ValueError(f"{self.name} = {value!r}: {err}") from None
        if self.on_set is not None:
            self.on_set(component, kept)
        component._settings[self.name] = kept


class WithSettings:
    """A component with `Setting` attributes. It calls `set_config` first, and serializes its `cfg`."""

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Set all settings to the values that the component is made with.

        RAISES: ValueError if a value is not allowed.
        """
        self._settings: dict[str, Any] = {}
        self.cfg = config
        self._config = self.cfg

    @property
    def cfg(self) -> Mapping[str, Any]:
        """The settings by name, as spaCy's components have them; a copy, to be set as a whole.

        RAISES: ValueError if a setting that is set does not exist or its value is not allowed.
        """
        return dict(self._settings)

    @cfg.setter
    def cfg(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if not isinstance(getattr(type(self), name, None), Setting):
                raise ValueError(f"{name} = {value!r}: there is no such setting")
            setattr(self, name, value)

    def cfg_to_bytes(self) -> bytes:
        """The settings that were changed since the component was made."""
        return json.dumps(changed_settings(self._settings, self._config), indent=2).encode()

    def cfg_from_bytes(self, data: bytes) -> None:
        """Restore what `cfg_to_bytes` gave, but for settings whose value in the config has changed since.

        RAISES: ValueError if it is damaged or a value is not allowed.
        """
        self.cfg = restored_settings(json.loads(data), self._config)

    def cfg_to_disk(self, path: Path) -> None:
        """Write `cfg_to_bytes` to a file.

        RAISES: OSError if it cannot be written.
        """
        path.write_bytes(self.cfg_to_bytes())

    def cfg_from_disk(self, path: Path) -> None:
        """Restore the settings of a file; pipelines saved by version 0.1.0 have none.

        RAISES: OSError if it cannot be read; ValueError as of `cfg_from_bytes`.
        """
        if path.is_file():
            self.cfg_from_bytes(path.read_bytes())


def check_alignment_mode(value: Any) -> str:
    """RAISES: ValueError unless it is one of `alignment.ALIGNMENT_MODES`."""
    if value not in ALIGNMENT_MODES:
        raise ValueError(f"allowed are {', '.join(ALIGNMENT_MODES)}")
    return value


def check_bool(value: Any) -> bool:
    """RAISES: ValueError unless it is true or false."""
    if not isinstance(value, bool):
        raise ValueError("allowed are true and false")
    return value


def check_spans_key(value: Any) -> str | None:
    """RAISES: ValueError unless it is a name or None."""
    if value is not None and (not isinstance(value, str) or not value):
        raise ValueError("allowed are a name, or null for no span group")
    return value


def check_threshold(value: Any) -> float:
    """RAISES: ValueError unless it is a number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError("allowed are numbers from 0 to 1")
    return value


def check_from_one(value: Any) -> int:
    """RAISES: ValueError unless it is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("allowed are whole numbers from 1")
    return value


def check_kb(value: Any) -> str:
    """RAISES: ValueError unless it is a text."""
    if not isinstance(value, str) or not value:
        raise ValueError("allowed are 'bundled' or the path of a file")
    return value


def check_ids(value: Any) -> list[str]:
    """RAISES: ValueError unless it is a list of texts."""
    if not isinstance(value, list | tuple) or not all(isinstance(id_, str) and id_ for id_ in value):
        raise ValueError("allowed are a list of ids")
    return list(value)


def check_label_map(value: Any) -> dict[str, str]:
    """RAISES: ValueError unless it maps labels to labels."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("allowed is a mapping from labels of the model to other names")
    for label, name in value.items():
        if not isinstance(label, str) or not isinstance(name, str) or not is_valid_label(name):
            raise ValueError(f"{name!r} is no label; allowed are letters, digits, space and _ - . / +")
    return dict(value)


def changed_settings(settings: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The settings whose value is not that of the config, each with the config's value and its own.

    >>> changed_settings({"threshold": 0.9, "spans_key": "sc"}, {"threshold": 0.0, "spans_key": "sc"})
    {'threshold': [0.0, 0.9]}
    """
    return {name: [config[name], value] for name, value in settings.items() if value != config[name]}


def restored_settings(changed: Mapping[str, list[Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of settings that were changed when they were saved, unless the config has changed since.

    >>> restored_settings({"threshold": [0.0, 0.9]}, {"threshold": 0.0})
    {'threshold': 0.9}
    >>> restored_settings({"threshold": [0.0, 0.9]}, {"threshold": 0.5})
    {}
    """
    return {name: value for name, (before, value) in changed.items() if config.get(name) == before}
