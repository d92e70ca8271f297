"""Conversations about an analysed video: their values, the request for a question, the streamed answer, exports."""
