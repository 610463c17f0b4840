"""An independent reader of docvault vaults, written from docs/FORMAT.md alone: one module per chapter."""
