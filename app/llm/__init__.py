"""From keyframes and a question to a streamed answer: messages, the LangChain chat model, and the text fallback."""
