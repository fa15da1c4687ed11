"""Names of the precisions of matrix products, in Keras' words; imports nothing, so that settings may read it."""

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"

PRECISIONS = ("auto", FLOAT32, BFLOAT16)  # auto: what is faster on this machine for the network
