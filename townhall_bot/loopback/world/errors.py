"""What Discord answers when it refuses: status, error code, message, and the nested ``errors`` of a bad form."""

from __future__ import annotations

from typing import Any

FIELD_CHOICES = "BASE_TYPE_CHOICES"


class DiscordError(Exception):
    """A refusal. ``code`` is Discord's JSON error code, 0 where Discord has none for the case."""

    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} (error code: {code}): {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    @property
    def sentence(self) -> str:
        """What it says, the faults of a form's fields included."""
        faults: list[str] = []

        def walk(node: Any) -> None:
            if isinstance(node, dict):
                for key, value in node.items():
                    if key == "_errors":
                        faults.extend(str(fault["message"]) for fault in value)
                    else:
                        walk(value)

        walk(self.errors or {})
        return " ".join([self.message, *faults])

    def payload(self) -> dict[str, Any]:
        """Return the JSON body that Discord sends."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body


class FormErrors:
    """Collects what is wrong with a form, by path, the way Discord nests it under ``errors``.

    ``root`` goes before every path: the first answer to an interaction carries its message under ``data``.
    """

    def __init__(self, root: tuple[str | int, ...] = ()) -> None:
        self._root = root
        self._tree: dict[str, Any] = {}

    def add(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        """Note one fault at ``path`` (keys and list positions from the body's root)."""
        node = self._tree
        for key in (*self._root, *path):
            node = node.setdefault(str(key), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def check_length(self, path: tuple[str | int, ...], value: object, least: int, most: int) -> None:
        """Note a text that is shorter than ``least`` or longer than ``most`` characters."""
        if not isinstance(value, str):
            self.add(path, "BASE_TYPE_STRING", "Could not interpret value as string.")
        elif not least <= len(value) <= most:
            self._add_length(path, least, most)

    def check_count(self, path: tuple[str | int, ...], items: object, least: int, most: int) -> bool:
        """Note a list of fewer than ``least`` or more than ``most`` items, or what is no list; tell whether it fits."""
        fits = isinstance(items, list) and least <= len(items) <= most
        if not fits:
            self._add_length(path, least, most)
        return fits

    def _add_length(self, path: tuple[str | int, ...], least: int, most: int) -> None:
        if least:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        else:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")

    def require(self, path: tuple[str | int, ...]) -> None:
        """Note that a field is missing."""
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def raise_if_any(self) -> None:
        """Raise 50035 with everything that was noted."""
        if self._tree:
            raise self.error()

    def error(self) -> DiscordError:
        """Return 50035 with everything that was noted."""
        return DiscordError(400, 50035, "Invalid Form Body", self._tree)


def not_found() -> DiscordError:
    """Answer to a path that Discord does not know."""
    return DiscordError(404, 0, "404: Not Found")


def method_not_allowed() -> DiscordError:
    """Answer to a known path asked with a method that it does not take."""
    return DiscordError(405, 0, "405: Method Not Allowed")


def unauthorized() -> DiscordError:
    """Answer to a missing or wrong token."""
    return DiscordError(401, 0, "401: Unauthorized")


def unknown_channel() -> DiscordError:
    """No such channel."""
    return DiscordError(404, 10003, "Unknown Channel")


def unknown_guild() -> DiscordError:
    """No such server."""
    return DiscordError(404, 10004, "Unknown Guild")


def unknown_member() -> DiscordError:
    """No such member of this server."""
    return DiscordError(404, 10007, "Unknown Member")


def unknown_message() -> DiscordError:
    """No such message, or it was deleted."""
    return DiscordError(404, 10008, "Unknown Message")


def unknown_user() -> DiscordError:
    """No such user."""
    return DiscordError(404, 10013, "Unknown User")


def unknown_webhook() -> DiscordError:
    """No such webhook; also an interaction that was not answered yet."""
    return DiscordError(404, 10015, "Unknown Webhook")


def unknown_interaction() -> DiscordError:
    """No such interaction, or its first answer came after 3 seconds."""
    return DiscordError(404, 10062, "Unknown interaction")


def unknown_command() -> DiscordError:
    """No such application command."""
    return DiscordError(404, 10063, "Unknown application command")


def too_large() -> DiscordError:
    """The files together are over the limit."""
    return DiscordError(413, 40005, "Request entity too large")


def already_acknowledged() -> DiscordError:
    """An interaction takes one first answer."""
    return DiscordError(400, 40060, "Interaction has already been acknowledged.")


def too_many_follow_ups() -> DiscordError:
    """An app that only its user has installed sends five follow-ups in a server."""
    return DiscordError(400, 40094, "This interaction has reached the maximum number of follow-up messages")


def missing_access() -> DiscordError:
    """The bot cannot see the channel or server."""
    return DiscordError(403, 50001, "Missing Access")


def not_the_author() -> DiscordError:
    """Only the author may edit a message."""
    return DiscordError(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> DiscordError:
    """A message without content, embeds, files or components."""
    return DiscordError(400, 50006, "Cannot send an empty message")


def cannot_message_user() -> DiscordError:
    """The person takes no direct messages from this bot."""
    return DiscordError(403, 50007, "Cannot send messages to this user")


def archived_thread() -> DiscordError:
    """What is asked for cannot be done in an archived thread."""
    return DiscordError(400, 50083, "Thread is archived")


def locked_thread() -> DiscordError:
    """Nobody writes in a locked thread."""
    return DiscordError(400, 160005, "Thread is locked")


def has_thread() -> DiscordError:
    """A message has one thread at most."""
    return DiscordError(400, 160004, "A thread has already been created for this message")


def missing_permissions() -> DiscordError:
    """The bot lacks a permission for this."""
    return DiscordError(403, 50013, "Missing Permissions")


def invalid_webhook_token() -> DiscordError:
    """The interaction's token is wrong or older than 15 minutes."""
    return DiscordError(401, 50027, "Invalid Webhook Token")


def invalid_json() -> DiscordError:
    """The body is no JSON."""
    return DiscordError(400, 50109, "The request body contains invalid JSON.")


def invalid_form(path: tuple[str | int, ...], code: str, message: str) -> DiscordError:
    """Return 50035 with one fault at ``path``."""
    form = FormErrors()
    form.add(path, code, message)
    return form.error()
