"""Only what nobody else can reach counts as this machine's own."""

from townhall_bot.ops.addresses import is_loopback


def test_what_is_loopback_and_what_is_not() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.2", "bot.example"))
