"""What a Discord holds and what it refuses: servers, people, messages, and its rules. State that can be observed."""
