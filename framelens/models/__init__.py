"""Model shapes, memory estimates, the model catalogue, number formats and proposals of settings.

Pure functions over data that comes with FrameLens: they download nothing, ask no engine and look at no graphics card.

What this room does not do:

- Speed before the first run: nothing is estimated until something was measured.
- Memory to the last per cent: sizes of weights and one formula for the cache, right to ten per cent.
"""
