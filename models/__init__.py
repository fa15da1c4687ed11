"""The models: the tuned network, the hand-made one and the pretrained baseline.

Nothing heavy is imported here: `models.mlp` needs Keras, `models.pretrained` needs TensorFlow.
"""
