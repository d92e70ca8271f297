"""Commands about who may use FrameLens."""
