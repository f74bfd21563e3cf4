"""Every test may use the kit that plugin authors use; and tinygrad finds its environment, whoever imports it first."""

from plugins.gpt2.model import compiler

pytest_plugins = ["townhall_bot.testkit"]

compiler.use()  # tinygrad reads it once, at its import; test modules are imported in any order, and before any fixture
