"""Keyframe selection: candidates, novelty, selection and the extraction pipeline.

What this room does not do:

- Faces, objects or aesthetics: frames are chosen for what is new to see.
- A choice that depends on the question: `framelens.questions.retrieval` does that from the candidates.
"""
