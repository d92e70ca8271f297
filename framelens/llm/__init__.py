"""Clients for language, speech and embedding models: messages, the LangChain chat model, streaming, and checks."""
