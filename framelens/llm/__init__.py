"""Clients for language models: messages, the LangChain chat model, streaming, and checks.

What this room does not do:

- Other protocols than OpenAI chat completions.
- Fine-tuning, or training of any kind.
- Wordings of gateways, marks of models and engines on this machine but vLLM: the plugin `dialects` knows them.
- Wordings that no user has reported.
"""
