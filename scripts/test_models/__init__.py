"""Train the two tiny checkpoints that the tests put into real engines.

tiny-vl has the architecture of Qwen2.5-VL and names the colour of every frame that it is shown, in order; tiny-text
is its language model alone, which takes no pictures. Each step is a module: cards and prompts are drawn, the vision
tower is trained, then the language model on its frozen output; the result is saved and put to a held-out test.
"""
