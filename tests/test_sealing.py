"""Secrets at rest open under any key of the list, and under no other."""

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from limpet.settings import Settings

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_what_was_sealed_opens_again(text: str) -> None:
    sealer = Sealer([NEW])

    sealed = sealer.seal(text)

    assert sealed.startswith("sealed:")
    assert sealer.open(sealed) == text


def test_a_sealed_text_does_not_show_what_it_holds() -> None:
    assert "S3cret" not in Sealer([NEW]).seal("S3cret")


@given(st.binary())
def test_bytes_are_sealed_without_a_mark(data: bytes) -> None:
    sealer = Sealer([NEW])

    token = sealer.seal_bytes(data)

    assert not token.startswith(b"sealed:")
    assert sealer.open_bytes(token) == data


def test_without_a_key_text_stays_as_it_is() -> None:
    sealer = Sealer()

    assert not sealer.active
    assert sealer.seal("S3cret") == sealer.open("S3cret") == "S3cret"


def test_text_from_before_there_was_a_key_still_opens() -> None:
    assert Sealer([NEW]).open("http://10.0.0.1:80") == "http://10.0.0.1:80"


def test_an_old_key_opens_and_the_first_one_seals() -> None:
    both = Sealer([NEW, OLD])

    before, after = Sealer([OLD]).seal("S3cret"), both.seal("S3cret")

    assert both.open(before) == Sealer([NEW]).open(after) == "S3cret"
    with pytest.raises(ConfigurationError):
        Sealer([OLD]).open(after)


@pytest.mark.parametrize("sealer", [Sealer(), Sealer([OLD])], ids=["none", "another"])
@pytest.mark.parametrize(
    "open_it",
    [
        lambda sealer: sealer.open(Sealer([NEW]).seal("S3cret")),
        lambda sealer: sealer.open_bytes(Sealer([NEW]).seal_bytes(b"S3cret")),
        lambda sealer: sealer.open("sealed:S3cret"),
    ],
    ids=["text", "bytes", "changed"],
)
def test_without_the_right_key_the_variable_is_named(
    sealer: Sealer, open_it: Callable[[Sealer], object]
) -> None:
    with pytest.raises(
        ConfigurationError,
        match="was sealed with a key that LIMPET_STATE_KEYS does not hold",
    ) as caught:
        open_it(sealer)

    assert "S3cret" not in str(caught.value)


def test_bytes_are_never_passed_off_as_sealed() -> None:
    with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS: there is no key"):
        Sealer().seal_bytes(b"S3cret")


def test_keys_come_from_the_setting() -> None:
    set_to = Settings(state_keys=SecretStr(f" {NEW}, {OLD},"))

    sealer = Sealer.of(set_to)

    assert sealer.open(Sealer([OLD]).seal("S3cret")) == "S3cret"
    assert not Sealer.of(Settings(state_keys=None)).active


@pytest.mark.parametrize("text", [",", " , "])
def test_a_setting_without_a_key_in_it_does_not_leave_secrets_plain(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS: there is no key"):
        Sealer.of(Settings(state_keys=SecretStr(text)))


@pytest.mark.parametrize(
    "key",
    ["S3cret", "S3crét", NEW[:-4], NEW + OLD, f"{NEW};{OLD}"],
    ids=["word", "accent", "short", "no comma", "semicolon"],
)
def test_a_malformed_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS: key 2") as caught:
        Sealer([NEW, key])

    assert key not in str(caught.value)
