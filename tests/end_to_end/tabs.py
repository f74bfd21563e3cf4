"""A tab of the page, as a person uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Locator, Page


class Tab:
    """One person's window. ``errors`` are what the page's code and its security policy complained of."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    async def open(self, address: str) -> None:
        """Go to the page and wait until its person is there."""
        await self.page.goto(f"{address}&as={self.name}")
        await self.page.locator("#act-as", has_text=self.name).wait_for(state="attached")

    @property
    def box(self) -> Locator:
        """The message box."""
        return self.page.locator("#message-box")

    @property
    def messages(self) -> Locator:
        """Every message of the open channel."""
        return self.page.locator(".message")

    @property
    def last(self) -> Locator:
        """The newest message."""
        return self.messages.last

    @property
    def suggestions(self) -> Locator:
        """What the list above the message box offers."""
        return self.page.locator("#suggestions [role=option]")

    async def command(self, text: str) -> None:
        """Type a whole command, options and all, and send it."""
        await self.box.fill("")
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")

    async def say(self, text: str) -> None:
        """Send an ordinary message."""
        await self.box.fill(text)
        await self.page.keyboard.press("Enter")


OpenTab = Callable[..., Awaitable[Tab]]
"""``await open_tab("ben", width=390, height=844)``"""
