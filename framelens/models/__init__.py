"""Model shapes, memory estimates, the model catalogue, number formats and proposals of settings.

Pure functions over data that comes with FrameLens: they download nothing, ask no engine and look at no graphics card.
"""
