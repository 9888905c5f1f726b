"""Messages for unknown names."""

from __future__ import annotations

from normkit.functional.names import unknown_name

KNOWN = ["batch", "group", "instance"]


def test_close_matches_come_first_then_all_names() -> None:
    assert unknown_name("method", "Bathc", KNOWN) == (
        "unknown method 'Bathc'. Did you mean 'batch'? The names are: batch, group, instance."
    )


def test_without_a_close_match_all_names_are_listed() -> None:
    message = unknown_name("method", "zzz", KNOWN)
    assert "Did you mean" not in message
    assert message.endswith("batch, group, instance.")


def test_what_is_not_a_string_is_shown_as_it_is() -> None:
    assert unknown_name("method", None, KNOWN).startswith("unknown method None.")
