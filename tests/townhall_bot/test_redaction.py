"""Addresses are scheme and host, and what looks like a token is masked: in messages, at the shell, in the log."""

from __future__ import annotations

import logging

import pytest

from townhall_bot.cli import main
from townhall_bot.ops import logs
from townhall_bot.redaction import MASK, origin, redacted, shown_value, without_secrets

Output = pytest.CaptureFixture[str]
TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789ab"
CLIENT_SECRET = "q3Xn1vY-7hKd0_ZbTfR5mLw8sJcA2eUg"
HUB_TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://huggingface.co", "https://huggingface.co"),
        ("https://me:hush@hub.example:8443/tok-en?key=1#x", "https://hub.example:8443"),
        ("http://[::1]:80/hush", "http://[::1]:80"),
        ("http://u:p@[x", MASK),
        ("http://host:99999", MASK),
        ("hush", MASK),
    ],
)
def test_an_address_is_scheme_and_host(address: str, shown: str) -> None:
    assert origin(address) == shown


@pytest.mark.parametrize("token", [TOKEN, HUB_TOKEN, f"Bearer {HUB_TOKEN[3:]}", "ghp_abcdefghijklmnop0123", TOKEN[:60]])
def test_what_looks_like_a_token_is_masked(token: str) -> None:
    secret = token.removeprefix("Bearer ")
    for shown in (redacted(f"it said {token}, twice"), without_secrets(f"it said {token}, twice"), shown_value(token)):
        assert secret not in shown
        assert MASK in shown


def test_a_message_keeps_its_words() -> None:
    said = "Server error '500' for url 'https://me:hush@hub.example/tok-en/gpt2/resolve/main/config.json'. Try again."
    assert redacted(said) == "Server error '500' for url 'https://hub.example'. Try again."
    assert without_secrets(said) == said.replace("me:hush@", "")
    assert without_secrets("see http://127.0.0.1:8317/healthz, or a@b.example") == (
        "see http://127.0.0.1:8317/healthz, or a@b.example"
    )
    for plain in ("gpt2-small-finetuned-on-poems-v2", "/home/me/models/checkpoint-120000", "soon", "1.5"):
        assert shown_value(plain) == repr(plain)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("secret", [TOKEN, CLIENT_SECRET])
@pytest.mark.parametrize("setting", ["TOWNHALL_GUILD", "TOWNHALL_PLUGINS", "TOWNHALL_LOG_LEVEL"])
def test_a_token_in_the_wrong_setting_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, setting: str, secret: str
) -> None:
    monkeypatch.setenv(setting, secret)
    assert main(["doctor", "--offline"]) == 1
    assert main(["run"]) == 2
    shown = capsys.readouterr()
    for told in (shown.out, shown.err):
        assert setting in told
        assert secret.lower() not in told.lower()


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_log_masks_whatever_is_logged(capsys: Output, style: logs.LogFormat) -> None:
    logs.set_up("INFO", style=style)
    try:
        raise ValueError(f"bad {TOKEN}")
    except ValueError:
        logging.getLogger("some.library").exception("asked https://me:hush@hub.example/path with %s", HUB_TOKEN)
    shown = capsys.readouterr().err
    assert "https://hub.example/path" in shown
    assert not [secret for secret in (TOKEN, HUB_TOKEN, "hush") if secret in shown]
